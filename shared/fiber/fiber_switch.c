/* Stack switching.
 *
 * swapcontext makes two system calls to save a signal mask that is the same everywhere: about 0.25
 * us a switch, a thirtieth of what a run cost a worker. So on x86-64 the registers that a callee
 * must keep are pushed here, and the stack pointer is exchanged.
 *
 * The guard below a stack is MADV_GUARD_INSTALL where the kernel has it (6.13): it needs no mapping
 * of its own. Elsewhere it is a PROT_NONE page for the first GUARD_MAPPINGS stacks, since each
 * splits a mapping and vm.max_map_count is 65,530 by default; stacks beyond that have none.
 */

#include "shared/fiber/fiber_switch.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_BYTES ((size_t)1024 * 1024)
#else
#define STACK_BYTES ((size_t)256 * 1024)
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0
#define VALGRIND_STACK_DEREGISTER(id)      (void)(id)
#endif

#define GUARD_BYTES        ((size_t)4096)
#define GUARD_MAPPINGS     30000
#define PAGE_BYTES         ((uintptr_t)4096)
#define FRAMES_OF_A_WAIT   ((uintptr_t)512) /* fiber_wait and what it calls */
#define GUARD_INSTALL_CODE 102              /* MADV_GUARD_INSTALL, not in Debian 12's headers */

static size_t guard_mappings;

static void guard(struct switch_stack *stack)
{
    static bool no_guard_install;

    if (!no_guard_install) {
        if (madvise(stack->mapping, GUARD_BYTES, GUARD_INSTALL_CODE) == 0)
            return;
        no_guard_install = true;
    }
    if (guard_mappings < GUARD_MAPPINGS && mprotect(stack->mapping, GUARD_BYTES, PROT_NONE) == 0)
        guard_mappings++;
}

void switch_stack_map(struct switch_stack *stack)
{
    stack->mapping_bytes = STACK_BYTES + GUARD_BYTES;
    stack->mapping = mmap(NULL, stack->mapping_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (stack->mapping == MAP_FAILED) {
        fprintf(stderr, "out of memory: no mapping for a fiber's stack (see vm.max_map_count)\n");
        abort();
    }
    madvise(stack->mapping, stack->mapping_bytes, MADV_NOHUGEPAGE);
    guard(stack);
    stack->bottom = stack->mapping + GUARD_BYTES;
    stack->size = STACK_BYTES;
    stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->bottom, stack->bottom + stack->size);
}

void switch_stack_unmap(struct switch_stack *stack)
{
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
    munmap(stack->mapping, stack->mapping_bytes);
    stack->mapping = NULL;
}

void switch_stack_clean(struct switch_stack *stack, size_t keep_top_bytes)
{
#ifdef WITH_ASAN
    __asan_unpoison_memory_region(stack->bottom, stack->size - keep_top_bytes);
#else
    (void)stack;
    (void)keep_top_bytes;
#endif
}

void switch_stack_trim(struct switch_stack *stack, const void *used_from)
{
#ifdef WITH_ASAN
    (void)stack;
    (void)used_from;
#else
    uintptr_t bottom = (uintptr_t)stack->bottom;
    uintptr_t end = ((uintptr_t)used_from - FRAMES_OF_A_WAIT) & ~(PAGE_BYTES - 1);

    if (end > bottom && end - bottom < stack->size)
        madvise(stack->bottom, end - bottom, MADV_DONTNEED);
#endif
}

#ifdef SWITCH_BY_ASSEMBLY
/* Pushes what the ABI wants kept, leaves the stack pointer in *save, and takes it all from the
 * other stack. */
void switch_stacks(void **save, void *stack_pointer);
__asm__(".text\n"
        ".type switch_stacks, @function\n"
        "switch_stacks:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    subq $8, %rsp\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    addq $8, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size switch_stacks, . - switch_stacks\n");

/* What switch_stacks finds on a new stack: control words and registers, all as they are here or
 * zero, then entry as where to return to, and no caller of it. */
static void set_entry(struct switch_context *context, void (*entry)(void))
{
    uintptr_t top = ((uintptr_t)context->stack_bottom + context->stack_size) & ~(uintptr_t)15;
    uint64_t *frame = (uint64_t *)top - 9;
    uint32_t mxcsr;
    uint16_t control;

    __asm__("stmxcsr %0" : "=m"(mxcsr));
    __asm__("fnstcw %0" : "=m"(control));
    memset(frame, 0, 9 * sizeof(*frame));
    frame[0] = mxcsr | (uint64_t)control << 32;
    frame[7] = (uint64_t)(uintptr_t)entry;
    context->stack_pointer = frame;
}

static void exchange(struct switch_context *from, struct switch_context *to)
{
    switch_stacks(&from->stack_pointer, to->stack_pointer);
}
#else
static void set_entry(struct switch_context *context, void (*entry)(void))
{
    int r = getcontext(&context->context);

    ASSERT(r == 0);
    context->context.uc_stack.ss_sp = (void *)context->stack_bottom;
    context->context.uc_stack.ss_size = context->stack_size;
    context->context.uc_link = NULL;
    makecontext(&context->context, entry, 0);
}

static void exchange(struct switch_context *from, struct switch_context *to)
{
    int r = swapcontext(&from->context, &to->context);

    ASSERT(r == 0);
}
#endif

void switch_prepare(struct switch_context *context, struct switch_stack *stack,
                    size_t keep_top_bytes, void (*entry)(void))
{
    context->stack_bottom = stack->bottom;
    context->stack_size = stack->size - keep_top_bytes;
    context->fake_stack = NULL;
    set_entry(context, entry);
}

void switch_to(struct switch_context *from, struct switch_context *to, bool last)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->stack_bottom,
                                   to->stack_size);
#else
    (void)last;
#endif
    exchange(from, to);
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

void switch_arrived(struct switch_context *from)
{
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(NULL, &from->stack_bottom, &from->stack_size);
#else
    (void)from;
#endif
}
