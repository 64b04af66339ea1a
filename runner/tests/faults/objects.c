// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Objects against their life cycles: counts, lists, timers, names, devices, inodes. */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/namei.h>
#include <linux/if_arp.h>
#include <linux/netdevice.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include "fault.h"

static refcount_t count;

FAULT count_below(void)
{
	refcount_set(&count, 0);
	refcount_dec(&count);
}

FAULT count_from_zero(void)
{
	refcount_set(&count, 0);
	refcount_inc(&count);
}

FAULT count_free_twice(void)
{
	refcount_set(&count, 0);
	if (refcount_dec_and_test(&count))
		pr_info("it was the last one\n");
}

FAULT add_twice(void)
{
	LIST_HEAD(head);
	struct list_head entry;

	list_add(&entry, &head);
	list_add(&entry, &head);
}

FAULT add_broken(void)
{
	LIST_HEAD(head);
	LIST_HEAD(other);
	struct list_head entry;

	head.next = &other;
	list_add(&entry, &head);
}

FAULT delete_twice(void)
{
	LIST_HEAD(head);
	struct list_head entry;

	list_add(&entry, &head);
	list_del(&entry);
	list_del(&entry);
}

static void tick(struct timer_list *timer)
{
}

FAULT timer_freed(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

	timer_setup(timer, tick, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
}

FAULT timer_twice(void)
{
	static struct timer_list timer;

	timer_setup(&timer, tick, 0);
	mod_timer(&timer, jiffies + 1000 * HZ);
	timer_setup(&timer, tick, 0);
}

FAULT timer_bare(void)
{
	struct timer_list timer;

	memset(&timer, 0, sizeof(timer));
	timer_setup(&timer, tick, 0);
}

FAULT same_name(void)
{
	struct kobject *one = kobject_create_and_add("fault_twice", kernel_kobj);
	struct kobject *other = kobject_create_and_add("fault_twice", kernel_kobj);

	kobject_put(other);
	kobject_put(one);
}

static const struct net_device_ops no_ops;

static void setup(struct net_device *device)
{
	device->type = ARPHRD_NONE;
	device->netdev_ops = &no_ops;
}

static struct net_device *held;

static void let_go(struct work_struct *work)
{
	dev_put(held);
}

FAULT device_held(void)
{
	static DECLARE_DELAYED_WORK(later, let_go);

	held = alloc_netdev(0, "fault%d", NET_NAME_UNKNOWN, setup);
	if (!held || register_netdev(held))
		return;
	dev_hold(held);
	schedule_delayed_work(&later, 25 * HZ);
	unregister_netdev(held);
	free_netdev(held);
}

/* Of a file system that the test mounts and unmounts. */
FAULT inode_held(void)
{
	struct path path;

	if (kern_path("/mnt/file", 0, &path))
		return;
	ihold(d_inode(path.dentry));
	path_put(&path);
}

FAULT dentry_held(void)
{
	struct path path;

	if (kern_path("/mnt/file", 0, &path))
		return;
	dget(path.dentry);
	path_put(&path);
}

const struct fault object_faults[] = {
	{ "count-below", count_below },
	{ "count-from-zero", count_from_zero },
	{ "count-free-twice", count_free_twice },
	{ "add-twice", add_twice },
	{ "add-broken", add_broken },
	{ "delete-twice", delete_twice },
	{ "timer-freed", timer_freed },
	{ "timer-twice", timer_twice },
	{ "timer-bare", timer_bare },
	{ "same-name", same_name },
	{ "device-held", device_held },
	{ "inode-held", inode_held },
	{ "dentry-held", dentry_held },
	{}
};
