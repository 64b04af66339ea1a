/* The init of the machines that read files over 9P: mounts the share "bench" as it comes, without a cache, reads what scripts/bench-9p
 * has put there, prints what each took, and restarts the machine. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char block[1 << 17];
static long bytes;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void read_whole(const char *path)
{
    int fd = open(path, O_RDONLY);
    long n;

    if (fd < 0)
        perror(path);
    while ((n = read(fd, block, sizeof(block))) > 0)
        bytes += n;
    close(fd);
}

/* Calls `visit` for each regular file below, and looks at every one's attributes. */
static void walk(const char *dir, void (*visit)(const char *))
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    struct stat attributes;
    char path[4096];

    if (!d)
        return perror(dir);
    while ((entry = readdir(d))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (lstat(path, &attributes))
            perror(path);
        if (S_ISDIR(attributes.st_mode))
            walk(path, visit);
        else if (visit)
            visit(path);
    }
    closedir(d);
}

static void took(const char *what, double since, long expected)
{
    printf("9p %s %.1f%s\n", what, now() - since, bytes == expected ? "" : " WRONG");
    bytes = 0;
}

int main(void)
{
    double began;

    mkdir("/share", 0755);
    if (mount("bench", "/share", "9p", MS_RDONLY, "trans=virtio,version=9p2000.L,msize=512000,cache=none"))
        perror("mount");
    began = now();
    read_whole("/share/large");
    took("sequential", began, 8L << 20);
    began = now();
    walk("/share/tree", read_whole);
    took("small-files", began, 200L << 10);
    began = now();
    walk("/share/tree", NULL);
    took("stat-walk", began, 0);
    fflush(stdout);
    reboot(RB_AUTOBOOT);
    return 1;
}
