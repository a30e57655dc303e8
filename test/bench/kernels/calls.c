/* Calls and returns: the Fibonacci numbers as they are defined. */
#include "runtime.h"

__attribute__((noinline)) static uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint32_t run(uint32_t size)
{
    return fibonacci(size);
}
