/*
 * Requests on a block device, past the guest's cache: the device is standard input. `size` is made of the least significant bits
 * up: 1 for writes, 2 for blocks of 4 KiB anywhere instead of 1 MiB one after another, 4 for four processes at once, 8 for a flush
 * after each block, 16 for the second half of the device, from 32 on how many blocks there are.
 */
#include "runtime.h"

enum { LSEEK = 8, READ_AT = 17, WRITE_AT = 18, FCNTL = 72, DATA_SYNC = 75 };
enum { SET_FLAGS = 4, READ_WRITE = 2, DIRECT = 040000, FROM_END = 2 };

static long at_offset(long number, char *block, long bytes, long offset)
{
    register long r10 __asm__("r10") = offset;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(0L), "S"(block), "d"(bytes), "r"(r10) : "rcx", "r11", "memory");
    return result;
}

static uint32_t transfer(uint32_t kinds, uint32_t count, uint32_t job, uint32_t jobs, long first, long room)
{
    const long bytes = kinds & 2 ? 4096 : 1 << 20;
    char *block = map_memory((size_t)bytes);
    uint32_t state = 2463534242u + job;
    for (long index = 0; index < bytes; index += 4) *(uint32_t *)(block + index) = next_random(&state);
    for (uint32_t done = job; done < count; done += jobs) {
        const long offset = first + (kinds & 2 ? (long)(next_random(&state) % (uint32_t)(room / bytes)) : (long)done) * bytes;
        if (at_offset(kinds & 1 ? WRITE_AT : READ_AT, block, bytes, offset) != bytes) return 0;
        if (kinds & 8 && system_call(DATA_SYNC, 0, 0, 0) != 0) return 0;
    }
    return 1;
}

static uint32_t run(uint32_t size)
{
    const uint32_t kinds = size & 31, count = size >> 5, jobs = kinds & 4 ? 4 : 1;
    if (system_call(FCNTL, 0, SET_FLAGS, READ_WRITE | DIRECT) != 0) return 0;
    const long half = system_call(LSEEK, 0, 0, FROM_END) / 2;
    const long first = kinds & 16 ? half : 0;
    for (uint32_t job = 1; job < jobs; job += 1) {
        if (system_call(FORK, 0, 0, 0) == 0) system_call(EXIT, !transfer(kinds, count, job, jobs, first, half), 0, 0);
    }
    uint32_t sound = transfer(kinds, count, 0, jobs, first, half);
    for (uint32_t job = 1; job < jobs; job += 1) {
        int status = 1;
        if (system_call(WAIT, -1, (long)&status, 0) < 0 || status != 0) sound = 0;
    }
    return sound ? count : 0;
}
