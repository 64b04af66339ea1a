// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Values that nobody set, used: a branch by them, or a copy of them to the user. */
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "fault.h"

FAULT unset_heap(void)
{
	volatile int *data = kmalloc(sizeof(*data), GFP_KERNEL);

	if (*data)
		pr_info("the heap is not zero\n");
	kfree((void *)data);
}

FAULT unset_stack(void)
{
	volatile int unset;

	if (unset)
		pr_info("the stack is not zero\n");
}

static volatile int kept;

FAULT unset_kept(void)
{
	volatile int *data = kmalloc(sizeof(*data), GFP_KERNEL);

	kept = *data;
	if (kept)
		pr_info("what was kept is not zero\n");
	kfree((void *)data);
}

FAULT unset_freed(void)
{
	volatile int *data = kzalloc(80, GFP_KERNEL);

	kfree((void *)data);
	/* Not where the allocator keeps a pointer of its own. */
	if (data[3])
		pr_info("what was freed is not zero\n");
}

FAULT unset_told(void)
{
	void *data = kmalloc(64, GFP_KERNEL);

	if (copy_to_user((void __user *)current->mm->start_stack, data, 64))
		pr_info("it was not copied\n");
	kfree(data);
}

const struct fault uninitialised[] = {
	{ "unset-heap", unset_heap },
	{ "unset-stack", unset_stack },
	{ "unset-kept", unset_kept },
	{ "unset-freed", unset_freed },
	{ "unset-told", unset_told },
	{}
};
