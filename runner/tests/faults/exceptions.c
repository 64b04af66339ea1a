// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* What the CPU refuses, and what the kernel gives up over. In assembly where a sanitizer would come first. */
#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include "fault.h"

static inline unsigned long read_at(unsigned long address)
{
	unsigned long value;

	asm volatile("mov (%1), %0" : "=r"(value) : "r"(address) : "memory");
	return value;
}

FAULT null_read(void)
{
	read_at(8);
}

FAULT null_call(void)
{
	void (*volatile nothing)(void) = NULL;

	nothing();
}

/* Between the direct map and the modules there is nothing. */
FAULT hole_read(void)
{
	read_at(0xffffffffff600000UL - (1UL << 30));
}

static const unsigned long constant[8] = { 1, 2, 3 };

FAULT read_only_write(void)
{
	asm volatile("movq $1, (%0)" : : "r"(constant) : "memory");
}

FAULT data_call(void)
{
	static char data[16] = { 0xc3 };
	void (*volatile code)(void) = (void *)data;

	code();
}

FAULT noncanonical_read(void)
{
	read_at(0x1234567812345678UL);
}

FAULT divide(void)
{
	asm volatile("xor %%edx, %%edx\n\tmov $1, %%eax\n\txor %%ecx, %%ecx\n\tdiv %%ecx" : : : "eax", "ecx", "edx");
}

FAULT invalid_opcode(void)
{
	/* UD0, which no BUG() of the kernel's uses. */
	asm volatile(".byte 0x0f, 0xff, 0xc0");
}

FAULT breakpoint(void)
{
	asm volatile("int3");
}

FAULT double_fault(void)
{
	asm volatile("mov %0, %%rsp\n\tpush %%rax" : : "r"(0x1234567812345678UL) : "memory");
}

FAULT recurse(void)
{
	volatile char room[512];

	room[0] = 1;
	if (room[0])
		recurse();
	room[1] = room[0];
}

FAULT stack_end(void)
{
	*end_of_stack(current) = 0;
	schedule();
}

FAULT warn(void)
{
	WARN_ON(current->pid > 0);
}

FAULT warn_words(void)
{
	WARN(1, "the %s is on fire, error %d\n", "device", -5);
}

FAULT bug(void)
{
	BUG();
}

FAULT give_up(void)
{
	panic("the fault module gives up on 0x%x", 4711);
}

const struct fault exceptions[] = {
	{ "null-read", null_read },
	{ "null-call", null_call },
	{ "hole-read", hole_read },
	{ "read-only-write", read_only_write },
	{ "data-call", data_call },
	{ "noncanonical-read", noncanonical_read },
	{ "divide", divide },
	{ "invalid-opcode", invalid_opcode },
	{ "breakpoint", breakpoint },
	{ "double-fault", double_fault },
	{ "recurse", recurse },
	{ "stack-end", stack_end },
	{ "warn", warn },
	{ "warn-words", warn_words },
	{ "bug", bug },
	{ "panic", give_up },
	{}
};
