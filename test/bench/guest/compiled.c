/* What the guest's compiler compiles: a small calculator over a list of sums, with the C library it needs. */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NUMBER, PLUS, MINUS, TIMES, OVER, OPEN, CLOSE, END };

struct token {
    enum kind kind;
    long value;
};

struct entry {
    struct entry *next;
    char *name;
    long value;
};

#define BUCKETS 64

static struct entry *buckets[BUCKETS];
static const char *rest;
static struct token now;

static unsigned hash_of(const char *text)
{
    unsigned hash = 5381;
    while (*text) hash = hash * 33 + (unsigned char)*text++;
    return hash % BUCKETS;
}

static void remember(const char *name, long value)
{
    struct entry *entry = malloc(sizeof *entry);
    if (entry == NULL) exit(1);
    entry->name = strdup(name);
    entry->value = value;
    entry->next = buckets[hash_of(name)];
    buckets[hash_of(name)] = entry;
}

static long recall(const char *name)
{
    for (struct entry *entry = buckets[hash_of(name)]; entry != NULL; entry = entry->next) {
        if (strcmp(entry->name, name) == 0) return entry->value;
    }
    return 0;
}

static void advance(void)
{
    while (isspace((unsigned char)*rest)) rest++;
    if (isdigit((unsigned char)*rest)) {
        char *after;
        now.kind = NUMBER;
        now.value = strtol(rest, &after, 10);
        rest = after;
        return;
    }
    switch (*rest) {
    case '+': now.kind = PLUS; break;
    case '-': now.kind = MINUS; break;
    case '*': now.kind = TIMES; break;
    case '/': now.kind = OVER; break;
    case '(': now.kind = OPEN; break;
    case ')': now.kind = CLOSE; break;
    default: now.kind = END; return;
    }
    rest++;
}

static long sum(void);

static long factor(void)
{
    long value;
    switch (now.kind) {
    case NUMBER:
        value = now.value;
        advance();
        return value;
    case MINUS:
        advance();
        return -factor();
    case OPEN:
        advance();
        value = sum();
        if (now.kind == CLOSE) advance();
        return value;
    default:
        return 0;
    }
}

static long product(void)
{
    long value = factor();
    while (now.kind == TIMES || now.kind == OVER) {
        enum kind kind = now.kind;
        advance();
        long other = factor();
        value = kind == TIMES ? value * other : other == 0 ? 0 : value / other;
    }
    return value;
}

static long sum(void)
{
    long value = product();
    while (now.kind == PLUS || now.kind == MINUS) {
        enum kind kind = now.kind;
        advance();
        long other = product();
        value = kind == PLUS ? value + other : value - other;
    }
    return value;
}

static int by_value(const void *one, const void *other)
{
    long a = *(const long *)one, b = *(const long *)other;
    return (a > b) - (a < b);
}

int main(void)
{
    static const char *const lines[] = { "1 + 2 * 3", "(4 + 5) * -6", "100 / 7 / 2", "((8))", "2 * (3 + 4) * (5 - 6)" };
    enum { COUNT = sizeof lines / sizeof lines[0] };
    long values[COUNT];
    for (int index = 0; index < COUNT; index++) {
        char name[16];
        rest = lines[index];
        advance();
        snprintf(name, sizeof name, "line%d", index);
        remember(name, sum());
    }
    for (int index = 0; index < COUNT; index++) {
        char name[16];
        snprintf(name, sizeof name, "line%d", index);
        values[index] = recall(name);
    }
    qsort(values, COUNT, sizeof values[0], by_value);
    for (int index = 0; index < COUNT; index++) printf("%ld%c", values[index], index + 1 < COUNT ? ',' : '\n');
    return 0;
}
