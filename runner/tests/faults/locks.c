// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Locks against their rules. The validator reports once and then rests, so each of its own needs a kernel of its own. */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>
#include "fault.h"

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);

FAULT circular(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

struct thing {
	spinlock_t lock;
};

static void thing_init(struct thing *thing)
{
	spin_lock_init(&thing->lock);
}

FAULT recursive(void)
{
	struct thing one, other;

	/* Two locks of one class: it cannot hang, and may in another order. */
	thing_init(&one);
	thing_init(&other);
	spin_lock(&one.lock);
	spin_lock(&other.lock);
	spin_unlock(&other.lock);
	spin_unlock(&one.lock);
}

/* Raw, since an interrupt must not take what sleeps in a kernel with PREEMPT_RT, which would be reported first. */
static DEFINE_RAW_SPINLOCK(inner);
static DEFINE_RAW_SPINLOCK(outer);

static void by_interrupt(struct irq_work *work)
{
	raw_spin_lock(&inner);
	raw_spin_unlock(&inner);
}

FAULT inconsistent(void)
{
	struct irq_work work = IRQ_WORK_INIT_HARD(by_interrupt);

	irq_work_queue(&work);
	irq_work_sync(&work);
	raw_spin_lock(&inner);
	raw_spin_unlock(&inner);
}

FAULT inversion(void)
{
	struct irq_work work = IRQ_WORK_INIT_HARD(by_interrupt);
	unsigned long flags;

	irq_work_queue(&work);
	irq_work_sync(&work);
	raw_spin_lock(&outer);
	raw_spin_unlock(&outer);
	raw_spin_lock_irqsave(&inner, flags);
	raw_spin_lock(&outer);
	raw_spin_unlock(&outer);
	raw_spin_unlock_irqrestore(&inner, flags);
}

FAULT unbalanced(void)
{
	mutex_lock(&first);
	mutex_release(&first.dep_map, _RET_IP_);
	mutex_unlock(&first);
}

FAULT freed(void)
{
	struct thing *thing = kmalloc(sizeof(*thing), GFP_KERNEL);

	thing_init(thing);
	spin_lock(&thing->lock);
	kfree(thing);
	spin_unlock(&thing->lock);
}

FAULT kept(void)
{
	mutex_lock(&first);
}

static int exits(void *unused)
{
	mutex_lock(&second);
	return 0;
}

FAULT kept_at_exit(void)
{
	struct task_struct *task = kthread_run(exits, NULL, "fault-exits");

	if (!IS_ERR(task))
		msleep(200);
}

static DEFINE_RAW_SPINLOCK(raw);

FAULT wait_context(void)
{
	raw_spin_lock(&raw);
	spin_lock(&spin);
	spin_unlock(&spin);
	raw_spin_unlock(&raw);
}

FAULT keyless(void)
{
	/* Its key is its address, which on a stack is none. */
	spinlock_t lock = __SPIN_LOCK_UNLOCKED(lock);

	spin_lock(&lock);
	spin_unlock(&lock);
}

static int nothing;
static int __rcu *guarded = (int __rcu *)&nothing;

FAULT unguarded(void)
{
	(void)*rcu_dereference(guarded);
}

FAULT sleeping_reader(void)
{
	rcu_read_lock();
	might_sleep();
	rcu_read_unlock();
}

FAULT magic(void)
{
	static spinlock_t lock;

	lock = __SPIN_LOCK_UNLOCKED(lock);
	lock.rlock.magic = 0x12345678;
	spin_lock(&lock);
	spin_unlock(&lock);
}

FAULT not_locked(void)
{
	/* Its own check, and not the validator's. */
	lockdep_off();
	preempt_disable();
	raw_spin_unlock(&raw);
	lockdep_on();
}

FAULT atomic_schedule(void)
{
	preempt_disable();
	schedule();
	preempt_enable();
}

FAULT atomic_sleep(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
}

FAULT movable(void)
{
	(void)smp_processor_id();
}

static DEFINE_PER_CPU(int, counter);

FAULT movable_add(void)
{
	__this_cpu_add(counter, 1);
}

static void leaves_locked(struct work_struct *work)
{
	mutex_lock(&second);
}

FAULT work_keeps(void)
{
	static DECLARE_WORK(work, leaves_locked);

	schedule_work(&work);
	flush_work(&work);
}

const struct fault lock_faults[] = {
	{ "circular", circular },
	{ "recursive", recursive },
	{ "inconsistent", inconsistent },
	{ "inversion", inversion },
	{ "unbalanced", unbalanced },
	{ "lock-freed", freed },
	{ "lock-kept", kept },
	{ "lock-kept-at-exit", kept_at_exit },
	{ "wait-context", wait_context },
	{ "keyless", keyless },
	{ "unguarded", unguarded },
	{ "sleeping-reader", sleeping_reader },
	{ "spin-magic", magic },
	{ "spin-not-locked", not_locked },
	{ "atomic-schedule", atomic_schedule },
	{ "atomic-sleep", atomic_sleep },
	{ "movable", movable },
	{ "movable-add", movable_add },
	{ "work-keeps", work_keeps },
	{}
};
