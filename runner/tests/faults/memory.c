// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Memory used against its bounds and life. What only one of the checkers shall see is hidden from the other. */
#include <linux/gfp.h>
#include <linux/kfence.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include "fault.h"

/* A byte written behind the back of the address sanitizer. */
static void poke(void *at, char value)
{
	asm volatile("movb %1, (%0)" : : "r"(at), "q"(value) : "memory");
}

static void *hidden(void *pointer)
{
	OPTIMIZER_HIDE_VAR(pointer);
	return pointer;
}

FAULT heap_over(void)
{
	char *data = hidden(kmalloc(30, GFP_KERNEL));

	data[30] = 1;
	kfree(data);
}

FAULT heap_after_free(void)
{
	volatile char *data = hidden(kmalloc(30, GFP_KERNEL));

	kfree((void *)data);
	(void)data[3];
}

FAULT heap_twice(void)
{
	void *data = hidden(kmalloc(30, GFP_KERNEL));
	void *again = hidden(data);

	kfree(data);
	kfree(again);
}

FAULT stack_over(void)
{
	volatile char data[16] = {};
	volatile char *end = hidden((void *)data);

	(void)end[17];
}

static char global[16];

FAULT global_over(void)
{
	volatile char *data = hidden(global);

	(void)data[18];
}

FAULT vmalloc_over(void)
{
	volatile char *data = hidden(vmalloc(100));

	(void)data[101];
	vfree((void *)data);
}

#ifdef CONFIG_KFENCE
/* Of its pool, if it comes to that: every so often an allocation is. */
static char *fenced(void)
{
	unsigned long end = jiffies + 20 * HZ;

	while (time_before(jiffies, end)) {
		char *data = kmalloc(40, GFP_KERNEL);

		if (is_kfence_address(data))
			return data;
		kfree(data);
		cond_resched();
	}
	return NULL;
}

FAULT fence_after_free(void)
{
	char *data = fenced();

	if (!data)
		return;
	kfree(data);
	poke(data + 5, 1);
}

FAULT fence_over(void)
{
	char *data = fenced();

	if (!data)
		return;
	poke(data + 40, 1);
	kfree(data);
}
#endif

static struct kmem_cache *checked(void)
{
	return kmem_cache_create("fault_cache", 40, 8, SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER | SLAB_CONSISTENCY_CHECKS, NULL);
}

FAULT slab_redzone(void)
{
	struct kmem_cache *cache = checked();
	char *data = kmem_cache_alloc(cache, GFP_KERNEL);

	poke(data + 40, 1);
	kmem_cache_free(cache, data);
	kmem_cache_destroy(cache);
}

FAULT slab_left(void)
{
	struct kmem_cache *cache = checked();

	hidden(kmem_cache_alloc(cache, GFP_KERNEL));
	kmem_cache_destroy(cache);
}

FAULT bad_page_free(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	page->mapping = (void *)0x4711000;
	__free_page(page);
}

FAULT counter_left(void)
{
	/* add_mm_counter() is not for modules. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	atomic_long_add(5, &current->mm->rss_stat.count[MM_ANONPAGES]);
#else
	percpu_counter_add(&current->mm->rss_stat[MM_ANONPAGES], 5);
#endif
}

FAULT tables_left(void)
{
	mm_inc_nr_ptes(current->mm);
}

FAULT leak(void)
{
	int i;

	for (i = 0; i < 10; i++)
		hidden(kmalloc(512, GFP_KERNEL));
}

FAULT exhaust(void)
{
	struct page *page;
	LIST_HEAD(pages);

	while ((page = alloc_pages(GFP_ATOMIC, 8)))
		list_add(&page->lru, &pages);
	while ((page = list_first_entry_or_null(&pages, struct page, lru))) {
		list_del(&page->lru);
		__free_pages(page, 8);
	}
}

FAULT too_large(void)
{
	vfree(vmalloc(1UL << 45));
}

struct fields {
	char first[8];
	char second[8];
	char third[32];
};

static volatile size_t twelve = 12, sixty_four = 64;

FAULT field_over(void)
{
	struct fields *data = kzalloc(sizeof(*data), GFP_KERNEL);
	char from[64] = {};

	memcpy(data->first, from, twelve);
	kfree(data);
}

FAULT object_over(void)
{
	static struct fields data;
	static char from[64];

	memcpy(&data, from, sixty_four);
}

/* Of an object whose size the compiler knows, and of one that only the allocator knows. */
FAULT copy_out_known(void)
{
	char *data = kmalloc(64, GFP_KERNEL);

	if (copy_to_user((void __user *)current->mm->start_stack, data, sixty_four + 128))
		pr_info("it was not copied\n");
	kfree(data);
}

FAULT copy_out(void)
{
	char *data = hidden(kmalloc(64, GFP_KERNEL));

	if (copy_to_user((void __user *)current->mm->start_stack, data, sixty_four + 128))
		pr_info("it was not copied\n");
	kfree(data);
}

#ifdef CONFIG_UBSAN
static volatile int many = 70, index = 9;
static int array[8];

FAULT shift_far(void)
{
	static volatile int result;

	result = 1 << many;
}

FAULT index_out(void)
{
	array[index] = 1;
}

FAULT no_bool(void)
{
	static volatile char byte = 7;
	static volatile int result;

	result = *(volatile bool *)&byte;
}
#endif

const struct fault memory_faults[] = {
	{ "heap-over", heap_over },
	{ "heap-after-free", heap_after_free },
	{ "heap-twice", heap_twice },
	{ "stack-over", stack_over },
	{ "global-over", global_over },
	{ "vmalloc-over", vmalloc_over },
#ifdef CONFIG_KFENCE
	{ "fence-after-free", fence_after_free },
	{ "fence-over", fence_over },
#endif
	{ "slab-redzone", slab_redzone },
	{ "slab-left", slab_left },
	{ "bad-page", bad_page_free },
	{ "counter-left", counter_left },
	{ "tables-left", tables_left },
	{ "leak", leak },
	{ "exhaust", exhaust },
	{ "too-large", too_large },
	{ "field-over", field_over },
	{ "object-over", object_over },
	{ "copy-out", copy_out },
	{ "copy-known", copy_out_known },
#ifdef CONFIG_UBSAN
	{ "shift-far", shift_far },
	{ "index-out", index_out },
	{ "no-bool", no_bool },
#endif
	{}
};
