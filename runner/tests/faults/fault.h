/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Faults by their names: what `commit` in debugfs takes. */
#ifndef FAULT_H
#define FAULT_H

struct fault {
	const char *name;
	void (*commit)(void);
};

/* Each ends with an entry without a name. */
extern const struct fault exceptions[], memory_faults[], lock_faults[], stalls[], object_faults[], remarks[], races[],
	uninitialised[];

/* A function on its own in the stack, whatever the compiler thinks of it. */
#define FAULT static noinline __noclone void

#endif
