/* Stack switching by ucontext.
 *
 * A switch costs about 0.25 us, most of it the sigprocmask in swapcontext: nothing beside a network
 * call. The guard below a stack is MADV_GUARD_INSTALL where the kernel has it (6.13): it needs no
 * mapping of its own. Elsewhere it is a PROT_NONE page for the first GUARD_MAPPINGS stacks, since
 * each splits a mapping and vm.max_map_count is 65,530 by default; stacks beyond that have none.
 */

#include "shared/fiber/fiber_switch.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

void switch_prepare(struct switch_context *context, struct switch_stack *stack,
                    size_t keep_top_bytes, void (*entry)(void))
{
    int r = getcontext(&context->context);

    ASSERT(r == 0);
    context->stack_bottom = stack->bottom;
    context->stack_size = stack->size - keep_top_bytes;
    context->fake_stack = NULL;
    context->context.uc_stack.ss_sp = stack->bottom;
    context->context.uc_stack.ss_size = context->stack_size;
    context->context.uc_link = NULL;
    makecontext(&context->context, entry, 0);
}

void switch_to(struct switch_context *from, struct switch_context *to, bool last)
{
    int r;

#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->stack_bottom,
                                   to->stack_size);
#else
    (void)last;
#endif
    r = swapcontext(&from->context, &to->context);
    ASSERT(r == 0);
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
