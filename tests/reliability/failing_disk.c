/* Put in front of the C library by LD_PRELOAD: one call that reads, writes, cuts or syncs a database fails. The file
   FAILING_DISK holds three numbers of eight bytes: how many calls are left until then (0: never), the error, and how
   many calls have failed. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct plan {
    int64_t left, error, failed;
};

static struct plan *plan;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAILING_DISK");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *shared = file < 0 ? MAP_FAILED : mmap(0, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    plan = shared == MAP_FAILED ? 0 : shared;
}

static int is_of_database(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strstr(path, ".db") != 0;
}

static int fails(int file) {
    if (!plan || plan->left <= 0 || !is_of_database(file) || __atomic_sub_fetch(&plan->left, 1, __ATOMIC_SEQ_CST) != 0)
        return 0;
    plan->failed++;
    errno = (int)plan->error;
    return 1;
}

#define INSTEAD(type, name, parameters, arguments)                                  \
    type name parameters {                                                          \
        static type(*original) parameters;                                          \
        if (!original)                                                              \
            original = (type(*) parameters)dlsym(RTLD_NEXT, #name);                 \
        return fails(file) ? -1 : original arguments;                               \
    }

INSTEAD(ssize_t, write, (int file, const void *bytes, size_t count), (file, bytes, count))
INSTEAD(ssize_t, pwrite, (int file, const void *bytes, size_t count, off_t at), (file, bytes, count, at))
INSTEAD(ssize_t, pwrite64, (int file, const void *bytes, size_t count, off64_t at), (file, bytes, count, at))
INSTEAD(ssize_t, read, (int file, void *bytes, size_t count), (file, bytes, count))
INSTEAD(ssize_t, pread, (int file, void *bytes, size_t count, off_t at), (file, bytes, count, at))
INSTEAD(ssize_t, pread64, (int file, void *bytes, size_t count, off64_t at), (file, bytes, count, at))
INSTEAD(int, ftruncate, (int file, off_t length), (file, length))
INSTEAD(int, ftruncate64, (int file, off64_t length), (file, length))
INSTEAD(int, fsync, (int file), (file))
INSTEAD(int, fdatasync, (int file), (file))
