// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* CPUs and tasks that do not go on. The watchdogs' times are the test's to shorten. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/workqueue.h>
#include "fault.h"

/* Seconds that every stall takes. */
#define LONG 15

static void spin_for(unsigned int seconds)
{
	unsigned int i;

	/* By a clock of the CPU's own: the jiffies of a single CPU stand still with its interrupts. */
	for (i = 0; i < seconds * 1000; i++)
		mdelay(1);
}

FAULT no_schedule(void)
{
	preempt_disable();
	spin_for(LONG);
	preempt_enable();
}

FAULT no_interrupts(void)
{
	unsigned long flags;

	local_irq_save(flags);
	spin_for(LONG);
	local_irq_restore(flags);
}

/* Preempted now and then, so that it is no soft lockup. */
FAULT long_reader(void)
{
	unsigned long end = jiffies + LONG * HZ;

	rcu_read_lock();
	while (time_before(jiffies, end))
		cpu_relax();
	rcu_read_unlock();
}

FAULT blocked(void)
{
	static DECLARE_COMPLETION(never);

	if (wait_for_completion_timeout(&never, LONG * HZ))
		pr_info("it came after all\n");
}

/* Not preempted, so that the pool cannot put another worker beside it, as it does with work that takes its time. */
static void busy(struct work_struct *work)
{
	preempt_disable();
	spin_for(LONG);
	preempt_enable();
}

static void idle(struct work_struct *work)
{
}

FAULT busy_pool(void)
{
	static DECLARE_WORK(hog, busy);
	static DECLARE_WORK(waiting, idle);

	/* The second waits behind the first: on one CPU a pool runs one that does not sleep. */
	schedule_work_on(0, &hog);
	schedule_work_on(0, &waiting);
	flush_work(&waiting);
	flush_work(&hog);
}

const struct fault stalls[] = {
	{ "no-schedule", no_schedule },
	{ "no-interrupts", no_interrupts },
	{ "long-reader", long_reader },
	{ "blocked", blocked },
	{ "busy-pool", busy_pool },
	{}
};
