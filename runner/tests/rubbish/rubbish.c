/*
 * Writes rubbish to the devices of the machine it runs in, as root may.
 *
 *   rubbish SEED COUNT ports FIRST-LAST...          ports, by 1, 2 and 4 bytes and by string instructions
 *   rubbish SEED COUNT pages FILE OFFSET LENGTH     what a file maps: registers of a device
 *   rubbish SEED COUNT file FILE LENGTH             a file that is written to: PCI configuration
 *
 * COUNT accesses each, half of them reads, of numbers that a driver could mean and of numbers that none does.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t state;

static uint64_t rnd(void)
{
	/* xorshift64* */
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dull;
}

static uint64_t value(void)
{
	static const uint64_t likely[] = {
		0, 1, 2, 3, 4, 7, 0xf, 0x40, 0x80, 0xff, 0x100, 0x400, 0x8000, 0xffff, 0x10000, 0xc0000000,
		0xffffffff, 0x100000000, 0xffffffffffffffff,
	};

	switch (rnd() % 4) {
	case 0:
		return likely[rnd() % (sizeof(likely) / sizeof(*likely))];
	case 1: /* a page of memory, if there is so much */
		return (rnd() % 0x80000) << 12;
	case 2:
		return rnd() % 64;
	default:
		return rnd();
	}
}

static void die(const char *what)
{
	perror(what);
	exit(4); /* declined: this kernel does not let us */
}

static void ports(long count, char **ranges, int n)
{
	unsigned char buffer[64] = { 0x5a };

	if (iopl(3))
		die("iopl");
	while (count--) {
		unsigned first, last, port;

		if (sscanf(ranges[rnd() % n], "%x-%x", &first, &last) != 2)
			exit(2);
		port = first + rnd() % (last - first + 1);
		switch (rnd() % 9) {
		case 0: case 1: outb(value(), port); break;
		case 2: outw(value(), port); break;
		case 3: outl(value(), port); break;
		case 4: inb(port); break;
		case 5: inw(port); break;
		case 6: inl(port); break;
		case 7: outsb(port, buffer, 1 + rnd() % sizeof(buffer)); break;
		default: insl(port, buffer, 1 + rnd() % (sizeof(buffer) / 4)); break;
		}
	}
}

static void pages(long count, const char *path, uint64_t offset, uint64_t length)
{
	int fd = open(path, O_RDWR | O_SYNC);
	volatile uint8_t *base;

	if (fd < 0)
		die(path);
	base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (base == MAP_FAILED)
		die("mmap");
	while (count--) {
		int size = 1 << rnd() % 4;
		/* Most of what is there is at the beginning of a page. */
		uint64_t page = rnd() % (length >> 12) << 12;
		volatile uint8_t *at = base + page + rnd() % (rnd() % 4 ? 0x80 : 0x1000 - 8);
		uint64_t v = value();

		if (rnd() % 4)
			at = (volatile uint8_t *)((uintptr_t)at & -(uintptr_t)size);
		if (rnd() % 2)
			switch (size) {
			case 1: *at; break;
			case 2: *(volatile uint16_t *)at; break;
			case 4: *(volatile uint32_t *)at; break;
			default: *(volatile uint64_t *)at; break;
			}
		else
			switch (size) {
			case 1: *at = v; break;
			case 2: *(volatile uint16_t *)at = v; break;
			case 4: *(volatile uint32_t *)at = v; break;
			default: *(volatile uint64_t *)at = v; break;
			}
	}
}

static void file(long count, const char *path, uint64_t length)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		die(path);
	while (count--) {
		uint64_t v = value();
		size_t size = 1 << rnd() % 3;
		off_t at = rnd() % length;

		/* Errors too are answers. */
		if (rnd() % 2 ? pread(fd, &v, size, at) : pwrite(fd, &v, size, at))
			continue;
	}
}

int main(int argc, char **argv)
{
	long count;

	if (argc < 5)
		return 2;
	state = strtoull(argv[1], NULL, 0) * 2 + 1;
	count = atol(argv[2]);
	if (!strcmp(argv[3], "ports"))
		ports(count, argv + 4, argc - 4);
	else if (!strcmp(argv[3], "pages") && argc == 7)
		pages(count, argv[4], strtoull(argv[5], NULL, 0), strtoull(argv[6], NULL, 0));
	else if (!strcmp(argv[3], "file") && argc == 6)
		file(count, argv[4], strtoull(argv[5], NULL, 0));
	else
		return 2;
	puts("still here");
	return 0;
}
