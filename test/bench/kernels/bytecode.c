/* An interpreter of byte code, which sums how many steps the numbers up to `size` take to 1 by Collatz' rule. */
#include "runtime.h"

enum operation { LOAD, MOVE, ADD, MULTIPLY, AND, HALVE, JUMP, JUMP_IF_EQUAL, JUMP_IF_ZERO, JUMP_UNLESS_GREATER, STOP };

struct instruction { uint8_t operation, a, b, c; };

enum { LIMIT, NUMBER, VALUE, STEPS, ONE, THREE, BIT };

/* Jumps hold their target in `c`. */
static const struct instruction program[] = {
    /*  0 */ { LOAD, STEPS, 0, 0 },
    /*  1 */ { LOAD, ONE, 1, 0 },
    /*  2 */ { LOAD, THREE, 3, 0 },
    /*  3 */ { MOVE, NUMBER, ONE, 0 },
    /*  4 */ { MOVE, VALUE, NUMBER, 0 },
    /*  5 */ { JUMP_IF_EQUAL, VALUE, ONE, 14 },
    /*  6 */ { AND, BIT, VALUE, ONE },
    /*  7 */ { JUMP_IF_ZERO, BIT, 0, 11 },
    /*  8 */ { MULTIPLY, VALUE, VALUE, THREE },
    /*  9 */ { ADD, VALUE, VALUE, ONE },
    /* 10 */ { JUMP, 0, 0, 12 },
    /* 11 */ { HALVE, VALUE, VALUE, 0 },
    /* 12 */ { ADD, STEPS, STEPS, ONE },
    /* 13 */ { JUMP, 0, 0, 5 },
    /* 14 */ { ADD, NUMBER, NUMBER, ONE },
    /* 15 */ { JUMP_UNLESS_GREATER, NUMBER, LIMIT, 4 },
    /* 16 */ { STOP, 0, 0, 0 },
};

static uint32_t run(uint32_t size)
{
    uint32_t registers[8] = { size };
    const struct instruction *at = program;
    for (;;) {
        const struct instruction *now = at++;
        switch ((enum operation)now->operation) {
        case LOAD: registers[now->a] = now->b; break;
        case MOVE: registers[now->a] = registers[now->b]; break;
        case ADD: registers[now->a] = registers[now->b] + registers[now->c]; break;
        case MULTIPLY: registers[now->a] = registers[now->b] * registers[now->c]; break;
        case AND: registers[now->a] = registers[now->b] & registers[now->c]; break;
        case HALVE: registers[now->a] = registers[now->b] >> 1; break;
        case JUMP: at = program + now->c; break;
        case JUMP_IF_EQUAL: if (registers[now->a] == registers[now->b]) at = program + now->c; break;
        case JUMP_IF_ZERO: if (registers[now->a] == 0) at = program + now->c; break;
        case JUMP_UNLESS_GREATER: if (registers[now->a] <= registers[now->b]) at = program + now->c; break;
        case STOP: return registers[STEPS];
        }
    }
}
