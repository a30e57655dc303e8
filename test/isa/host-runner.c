/*
 * Executes one instruction at a time on the host's own processor, in user mode, from a given state, and reports the state
 * after it. Reads cases from standard input and writes outcomes to standard output, both as the packed structures below.
 *
 * A case is entered by returning from a signal handler whose saved context was replaced by the case's registers; it ends
 * with the breakpoint after the instruction or with the signal that the instruction raised.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE_BASE 0x10000000ul
#define CODE_BYTES 0x2000ul
#define DATA_BASE 0x20000000ul
#define DATA_BYTES 0x2000ul
#define WINDOW_OFFSET 0xf00ul
#define WINDOW_BYTES 512
#define CODE_OFFSET 0x800ul

struct test_case {
  uint8_t code[16];
  uint32_t code_bytes;
  uint32_t bits;
  uint64_t gpr[16]; /* RAX RCX RDX RBX RSP RBP RSI RDI R8..R15 */
  uint64_t rflags;
  uint8_t fx[512];
  uint8_t window[WINDOW_BYTES];
} __attribute__((packed));

struct outcome {
  uint32_t signal;
  uint32_t trap;
  uint64_t error;
  uint64_t address;
  uint64_t gpr[16];
  uint64_t rflags;
  uint64_t rip;
  uint8_t fx[512];
  uint8_t window[WINDOW_BYTES];
} __attribute__((packed));

static struct test_case current;
static struct outcome result;
static ucontext_t saved;
static uint8_t saved_fx[512];
static volatile int running;

static const int GREG[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                             REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* The handler's own code isn't made for alignment checks, which a case may have asked for. */
static inline void stop_checking_alignment(void) {
  __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushf\n\tandl $~0x40000, (%%rsp)\n\tpopf\n\tlea 128(%%rsp), %%rsp" ::: "memory", "cc");
}

static void on_signal(int number, siginfo_t *info, void *context) {
  stop_checking_alignment();
  ucontext_t *uc = context;
  greg_t *gregs = uc->uc_mcontext.gregs;
  if (number == SIGUSR1) {
    memcpy(saved.uc_mcontext.gregs, gregs, sizeof(saved.uc_mcontext.gregs));
    memcpy(saved_fx, uc->uc_mcontext.fpregs, 512);
    for (int i = 0; i < 16; i++) gregs[GREG[i]] = (greg_t)current.gpr[i];
    gregs[REG_RIP] = CODE_BASE + CODE_OFFSET;
    gregs[REG_EFL] = (greg_t)current.rflags;
    uint64_t segments = (uint64_t)gregs[REG_CSGSFS];
    if (current.bits == 32) segments = (segments & ~0xfffful) | 0x23;
    gregs[REG_CSGSFS] = (greg_t)segments;
    /* Bytes 464 to 511 belong to the kernel (extended state). */
    memcpy(uc->uc_mcontext.fpregs, current.fx, 464);
    running = 1;
    return;
  }
  if (!running) {
    signal(number, SIG_DFL);
    return;
  }
  running = 0;
  result.signal = (uint32_t)number;
  result.trap = (uint32_t)gregs[REG_TRAPNO];
  result.error = (uint64_t)gregs[REG_ERR];
  result.address = (uint64_t)gregs[REG_CR2];
  (void)info;
  for (int i = 0; i < 16; i++) result.gpr[i] = (uint64_t)gregs[GREG[i]];
  result.rflags = (uint64_t)gregs[REG_EFL];
  result.rip = (uint64_t)gregs[REG_RIP];
  memcpy(result.fx, uc->uc_mcontext.fpregs, 512);
  memcpy(gregs, saved.uc_mcontext.gregs, sizeof(saved.uc_mcontext.gregs));
  memcpy(uc->uc_mcontext.fpregs, saved_fx, 464);
}

static void *map(unsigned long at, unsigned long bytes, int protection) {
  void *p = mmap((void *)at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p != (void *)at) {
    fprintf(stderr, "host-runner: can't map %lx: %s\n", at, strerror(errno));
    exit(1);
  }
  return p;
}

int main(void) {
  /* 32-bit code needs real data segments; 64-bit code ignores them. */
  __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(0x2b));
  uint8_t *code = map(CODE_BASE, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
  uint8_t *data = map(DATA_BASE, DATA_BYTES, PROT_READ | PROT_WRITE);
  stack_t alternate = {.ss_sp = malloc(1 << 20), .ss_size = 1 << 20, .ss_flags = 0};
  sigaltstack(&alternate, NULL);
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  int signals[] = {SIGUSR1, SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS};
  for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++) sigaction(signals[i], &action, NULL);
  memset(code, 0xcc, CODE_BYTES);
  while (fread(&current, sizeof(current), 1, stdin) == 1) {
    memset(code + CODE_OFFSET, 0xcc, 32);
    memcpy(code + CODE_OFFSET, current.code, current.code_bytes);
    memset(data, 0, DATA_BYTES);
    memcpy(data + WINDOW_OFFSET, current.window, WINDOW_BYTES);
    memset(&result, 0, sizeof(result));
    raise(SIGUSR1);
    memcpy(result.window, data + WINDOW_OFFSET, WINDOW_BYTES);
    fwrite(&result, sizeof(result), 1, stdout);
  }
  fflush(stdout);
  return 0;
}
