/*
 * What the kernels need of a C library, so that they need none: a start, one number as the argument, one as the result,
 * system calls. Each kernel is a program of one file that defines run(); it computes in uint32_t and in double or long
 * double only, so that its result is the same on 32 and 64 bits.
 */
#include <stddef.h>
#include <stdint.h>

/* The work; `size` says how much. The result depends on all of it. */
static uint32_t run(uint32_t size);

#ifdef __x86_64__

enum { READ = 0, WRITE = 1, MUNMAP = 11, PIPE = 22, FORK = 57, WAIT = 61, GETPPID = 110, EXIT = 231 };

__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start\n");

static inline long system_call(long number, long a, long b, long c)
{
    register long d __asm__("r10") = 0;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(d) : "rcx", "r11", "memory");
    return result;
}

static inline void *map_memory(size_t bytes)
{
    register long flags __asm__("r10") = 0x22; /* private, anonymous */
    register long file __asm__("r8") = -1;
    register long offset __asm__("r9") = 0;
    long result;
    __asm__ volatile("syscall" : "=a"(result)
        : "0"(9L), "D"(0L), "S"(bytes), "d"(3L), "r"(flags), "r"(file), "r"(offset) : "rcx", "r11", "memory");
    return (void *)result;
}

#else

enum { FORK = 2, READ = 3, WRITE = 4, WAIT = 7, PIPE = 42, GETPPID = 64, OLD_MMAP = 90, MUNMAP = 91, EXIT = 252 };

__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n call start\n"
        "int80: int $0x80\n ret\n");

void int80(void);

/* As the C library does it: through the kernel's own entry where it offers one (SYSENTER). */
static void (*system_entry)(void) = int80;

static inline long system_call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("call *%1" : "=a"(result) : "m"(system_entry), "0"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

static inline void *map_memory(size_t bytes)
{
    const long arguments[] = { 0, (long)bytes, 3, 0x22, -1, 0 };
    return (void *)system_call(OLD_MMAP, (long)arguments, 0, 0);
}

#endif

/* Not random, but without a pattern that a cache or a predictor would like. */
static inline uint32_t next_random(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

/* FNV-1a, a word at a time. */
static inline uint32_t mix(uint32_t sum, uint32_t word)
{
    return (sum ^ word) * 16777619u;
}

static inline uint32_t mix_double(uint32_t sum, double value)
{
    union { double value; uint32_t words[2]; } bits = { value };
    return mix(mix(sum, bits.words[0]), bits.words[1]);
}

__attribute__((noreturn, used)) static void start(long *stack)
{
    const char *const *arguments = (const char *const *)(stack + 1);
#ifndef __x86_64__
    long *after = stack + 1 + stack[0] + 1;
    while (*after != 0) after += 1;
    for (long *auxiliary = after + 1; auxiliary[0] != 0; auxiliary += 2) {
        if (auxiliary[0] == 32) system_entry = (void (*)(void))auxiliary[1]; /* AT_SYSINFO */
    }
#endif
    uint32_t size = 0;
    if (stack[0] > 1) {
        for (const char *digit = arguments[1]; *digit != 0; digit += 1) size = size * 10 + (uint32_t)(*digit - '0');
    }
    uint32_t result = run(size);
    char text[9];
    for (int index = 0; index < 8; index += 1) text[index] = "0123456789abcdef"[result >> (28 - 4 * index) & 15];
    text[8] = '\n';
    system_call(WRITE, 1, (long)text, sizeof text);
    for (;;) system_call(EXIT, 0, 0, 0);
}
