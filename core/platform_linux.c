/* platform_linux.c - operating-system calls beyond POSIX */
#include "core/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/compiler.h"

/* The whole of a small file as text; -1: cannot be read. */
static ssize_t read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t used = 0;
    while (used + 1 < size) {
        ssize_t n = read(fd, text + used, size - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    text[used] = 0;
    (void)close(fd);
    return (ssize_t)used;
}

/* Cores allowed by cgroup v2's or v1's quota; 0: no quota. */
static uint32_t quota_cores(void)
{
    char text[128];
    long long quota = -1, period = 0;
    if (read_text("/sys/fs/cgroup/cpu.max", text, sizeof text) > 0) {
        char *end; /* "max PERIOD" without a quota */
        quota = strtoll(text, &end, 10);
        period = end > text ? strtoll(end, NULL, 10) : 0;
    } else if (read_text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", text, sizeof text) > 0) {
        quota = strtoll(text, NULL, 10);
        if (read_text("/sys/fs/cgroup/cpu/cpu.cfs_period_us", text, sizeof text) > 0)
            period = strtoll(text, NULL, 10);
    }
    if (quota <= 0 || period <= 0)
        return 0;
    return (uint32_t)((quota + period - 1) / period);
}

uint32_t platform_core_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    uint32_t cores = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = (uint32_t)CPU_COUNT(&set);
    uint32_t quota = quota_cores();
    if (quota && quota < cores)
        cores = quota;
    return cores ? cores : 1;
}

uint64_t platform_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char text[64];
        if (read_text(limits[i], text, sizeof text) <= 0)
            continue;
        unsigned long long limit = strtoull(text, NULL, 10);
        if (limit > 0 && limit < bytes)
            bytes = limit;
    }
    return bytes;
}

void platform_host_name(char *text, size_t size)
{
    if (gethostname(text, size) != 0)
        (void)snprintf(text, size, "localhost");
    text[size - 1] = 0;
}

enum error_code platform_executable(char *path, size_t size, struct error *error)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    if (n < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot find the own executable");
    path[n] = 0;
    return OK;
}

void platform_die_with_parent(int signal, int parent)
{
    (void)prctl(PR_SET_PDEATHSIG, signal);
    if (getppid() != parent)
        (void)raise(signal);
}

/* Field `number` (from 3) of /proc/PID/stat, counted behind the name in brackets. */
static uint64_t stat_field(int pid, int number, bool *is_there)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    *is_there = false;
    if (read_text(path, text, sizeof text) <= 0)
        return 0;
    const char *at = strrchr(text, ')');
    if (!at)
        return 0;
    for (int field = 2; at && field < number; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return 0;
    *is_there = true;
    return strtoull(at + 1, NULL, 10);
}

uint64_t platform_process_start(int pid)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (read_text(path, text, sizeof text) <= 0)
        return 0;
    const char *state = strrchr(text, ')');
    if (state && state[1] == ' ' && (state[2] == 'Z' || state[2] == 'X'))
        return 0; /* a zombie does nothing any more */
    bool is_there;
    return stat_field(pid, 22, &is_there);
}

void platform_boot_id(char *text, size_t size)
{
    if (read_text("/proc/sys/kernel/random/boot_id", text, size) < 0)
        text[0] = 0;
    text[strcspn(text, "\n")] = 0;
}

int64_t platform_process_cpu_us(int pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return -1;
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

uint64_t platform_private_bytes(int pid)
{
    char path[64], text[4096];
    (void)snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (read_text(path, text, sizeof text) <= 0)
        return 0;
    const char *at = strstr(text, "RssAnon:");
    return at ? strtoull(at + 8, NULL, 10) * 1024 : 0;
}

int platform_memory_file(const char *name, bool is_inherited)
{
    return memfd_create(name, is_inherited ? 0 : MFD_CLOEXEC);
}

void platform_limit_memory(uint64_t bytes)
{
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};
    (void)setrlimit(RLIMIT_DATA, &limit);
    limit = (struct rlimit){0};
    (void)setrlimit(RLIMIT_CORE, &limit);
}

/* Large pages begin at multiples of their size: what is mapped too much is given back. */
void *platform_map_memory(size_t size)
{
    const size_t page = (size_t)2 << 20;
    size_t wanted = (size + 4095) & ~(size_t)4095;
    if (wanted < size || wanted + page < wanted)
        return NULL;
    unsigned char *memory = mmap(NULL, wanted + page, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    size_t before = (page - (uintptr_t)memory % page) % page;
    if (before)
        (void)munmap(memory, before);
    (void)munmap(memory + before + wanted, page - before);
    (void)madvise(memory + before, wanted, MADV_HUGEPAGE);
    return memory + before;
}

void platform_unmap_memory(void *memory, size_t size)
{
    (void)munmap(memory, (size + 4095) & ~(size_t)4095);
}

void platform_begin_writeback(int file, uint64_t offset, uint64_t size)
{
    (void)sync_file_range(file, (off64_t)offset, (off64_t)size, SYNC_FILE_RANGE_WRITE);
}

int platform_sync_file_system(int file)
{
    return syncfs(file) == 0 ? 0 : errno;
}

uint64_t platform_free_bytes(const char *path)
{
    struct statvfs info;
    if (statvfs(path, &info) != 0)
        return UINT64_MAX;
    return (uint64_t)info.f_bavail * info.f_frsize;
}

const char *platform_cpu_level(void)
{
#if defined(__x86_64__)
    if (CPU_SUPPORTS("avx512f") && CPU_SUPPORTS("avx512bw") && CPU_SUPPORTS("avx512vl"))
        return "x86-64-v4";
    if (CPU_SUPPORTS("avx2") && CPU_SUPPORTS("fma"))
        return "x86-64-v3";
    if (CPU_SUPPORTS("sse4.2"))
        return "x86-64-v2";
    return "x86-64";
#else
    return "generic";
#endif
}
