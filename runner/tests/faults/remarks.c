// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* What the kernel remarks without being at fault, and words that only look like a report. */
#include <linux/console.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include "fault.h"

FAULT firmware(void)
{
	pr_err(FW_BUG "the table has no end\n");
}

FAULT flood(void)
{
	int i;

	for (i = 0; i < 20000; i++)
		pr_info("line %d of many, as long as lines of a kernel log usually are, or a little longer\n", i);
}

/* More than the log holds, before anybody can read it: neither the consoles nor a program. */
FAULT flood_unread(void)
{
	unsigned long flags;

	console_lock();
	local_irq_save(flags);
	flood();
	local_irq_restore(flags);
	console_unlock();
}

FAULT driver_words(void)
{
	pr_warn("fault: WARNING: the device is warm\n");
	pr_info("fault: a BUG: in the manual, page 7\n");
}

const struct fault remarks[] = {
	{ "firmware", firmware },
	{ "flood", flood },
	{ "flood-unread", flood_unread },
	{ "driver-words", driver_words },
	{}
};
