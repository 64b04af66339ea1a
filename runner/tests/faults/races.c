// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Data races: two threads, and one of them is delayed at the variable until the other comes there too. */
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kcsan-checks.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include "fault.h"

/* Seconds in which they meet: one access in thousands is watched. */
#define LONG 5

static int shared;

static int goes_on(void *action)
{
	while (!kthread_should_stop()) {
		((void (*)(void))action)();
		cond_resched();
	}
	return 0;
}

static void together(void (*one)(void), void (*other)(void))
{
	unsigned int there = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	struct task_struct *task = kthread_run_on_cpu(goes_on, other, there, "fault-races/%u");
	unsigned long end = jiffies + LONG * HZ;

	if (IS_ERR(task))
		return;
	while (time_before(jiffies, end)) {
		one();
		cond_resched();
	}
	kthread_stop(task);
}

FAULT reads(void)
{
	asm volatile("" : : "r"(shared));
}

FAULT adds(void)
{
	shared++;
}

FAULT sets(void)
{
	WRITE_ONCE(shared, shared + 1);
}

/* Not compiled to be seen: only the value shows that it was there. */
static noinline __no_kcsan void adds_unseen(void)
{
	shared++;
}

FAULT asserts(void)
{
	ASSERT_EXCLUSIVE_WRITER(shared);
}

static void race(void)
{
	together(reads, adds);
}

static void race_unseen(void)
{
	together(reads, adds_unseen);
}

static void race_assert(void)
{
	together(asserts, sets);
}

const struct fault races[] = {
	{ "race", race },
	{ "race-unseen", race_unseen },
	{ "race-assert", race_assert },
	{}
};
