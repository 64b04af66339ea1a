// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Commits the fault whose name is written to /sys/kernel/debug/fault/commit, in the writer's context. */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "fault.h"

static const struct fault *const tables[] = {
#ifdef CONFIG_KASAN
	exceptions, memory_faults, lock_faults, stalls, object_faults, remarks,
#endif
#ifdef CONFIG_KCSAN
	races,
#endif
#ifdef CONFIG_KMSAN
	uninitialised,
#endif
};

static struct dentry *dir;

static ssize_t commit_write(struct file *file, const char __user *from, size_t length, loff_t *at)
{
	char name[40];
	const struct fault *fault;
	size_t i;

	if (length >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, from, length))
		return -EFAULT;
	name[length] = 0;
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		for (fault = tables[i]; fault->name; fault++)
			if (!strcmp(strim(name), fault->name)) {
				fault->commit();
				return length;
			}
	return -ENOENT;
}

static const struct file_operations commit = {
	.owner = THIS_MODULE,
	.write = commit_write,
	.llseek = noop_llseek,
};

static int __init fault_init(void)
{
	dir = debugfs_create_dir("fault", NULL);
	debugfs_create_file_unsafe("commit", 0200, dir, NULL, &commit);
	return 0;
}

static void __exit fault_exit(void)
{
	debugfs_remove(dir);
}

module_init(fault_init);
module_exit(fault_exit);
MODULE_DESCRIPTION("Commits faults, so that what notices them can be tested");
MODULE_LICENSE("Dual MIT/GPL");
