#pragma once
/* Switching between stacks. The one place that knows how: a few instructions on x86-64, ucontext
 * elsewhere, with the annotations that AddressSanitizer wants. */

#include <ucontext.h>

#include "shared/base/compiler.h"

/* Shadow stacks, where compiled for them, want the C library's help. */
#if defined(__x86_64__) && !(defined(__CET__) && (__CET__ & 2))
#define SWITCH_BY_ASSEMBLY 1
#endif

struct switch_stack {
    char *mapping; /* with the guard page below */
    size_t mapping_bytes;
    char *bottom;
    size_t size; /* usable bytes from bottom */
    unsigned valgrind_id;
};

/* One side of a switch. */
struct switch_context {
#ifdef SWITCH_BY_ASSEMBLY
    void *stack_pointer; /* while it is left; the registers lie there */
#else
    ucontext_t context;
#endif
    const void *stack_bottom; /* for the sanitizer: where this side's stack is */
    size_t stack_size;
    void *fake_stack;
};

/* Maps a stack with a guard page below it; aborts when there is no memory for it. */
void switch_stack_map(struct switch_stack *stack);
void switch_stack_unmap(struct switch_stack *stack);

/* Before a pooled stack is used again. */
void switch_stack_clean(struct switch_stack *stack, size_t keep_top_bytes);

/* Gives the pages below `used_from` back to the system. */
void switch_stack_trim(struct switch_stack *stack, const void *used_from);

/* Prepare `context` to run entry() on the stack, below its topmost keep_top_bytes. */
void switch_prepare(struct switch_context *context, struct switch_stack *stack,
                    size_t keep_top_bytes, void (*entry)(void));

/* Leave `from`, go on in `to`. With `last`, `from` is never entered again. */
void switch_to(struct switch_context *from, struct switch_context *to, bool last);

/* To be called first thing on a new stack; `from` is the side that switched here. */
void switch_arrived(struct switch_context *from);
