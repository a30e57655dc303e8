/* Context switches: two processes hand each other a number over two pipes, `size` times there and back. */
#include "runtime.h"

static void send(int pipe, uint32_t number)
{
    system_call(WRITE, pipe, (long)&number, sizeof number);
}

static uint32_t receive(int pipe)
{
    uint32_t number = 0;
    return system_call(READ, pipe, (long)&number, sizeof number) == sizeof number ? number : 0;
}

static uint32_t run(uint32_t size)
{
    int there[2], back[2];
    system_call(PIPE, (long)there, 0, 0);
    system_call(PIPE, (long)back, 0, 0);
    long child = system_call(FORK, 0, 0, 0);
    if (child < 0) return 0;
    if (child == 0) {
        for (uint32_t done = 0; done < size; done += 1) send(back[1], receive(there[0]) * 3 + 1);
        system_call(EXIT, 0, 0, 0);
    }
    uint32_t number = 1;
    for (uint32_t done = 0; done < size; done += 1) {
        send(there[1], number);
        number = receive(back[0]) ^ done;
    }
    system_call(WAIT, child, 0, 0);
    return number;
}
