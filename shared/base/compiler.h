#pragma once
/* Attributes and small macros that every file may use.
 *
 *   MUSTCHECK     the caller must look at the result (built with -Werror=unused-result)
 *   NOINLINE      of a function with a large frame that is called by one which waits for long: its
 *                 caller's frame, which is held meanwhile, stays small
 *   SUSPENDS      the function may suspend the calling fiber: whatever it reached through shared
 *                 pointers may have changed when it returns. A mark for the reader and for the lint
 *                 in tests/lib; the compiler ignores it
 *   CLEANUP(fn)   calls fn(&variable) when the variable leaves its scope
 *   IGNORE(call)  drops the result of a MUSTCHECK function, where that is right and a comment says
 *                 why
 *   ASSERT(c)     always on. It is for programmer errors only, never for what the outside world can
 *                 cause
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUSTCHECK    __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define NORETURN     __attribute__((noreturn))
#define NOINLINE     __attribute__((noinline))
#define SUSPENDS
#define CLEANUP(fn)     __attribute__((cleanup(fn)))
#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define IGNORE(call)                                                                               \
    do {                                                                                           \
        __typeof__(call) ignored_ = (call);                                                        \
        (void)ignored_;                                                                            \
    } while (0)

#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            assert_failed(#condition, __FILE__, __LINE__, __func__);                               \
    } while (0)

/* Prints the condition and aborts. Never returns. */
NORETURN void assert_failed(const char *condition, const char *file, int line,
                            const char *function);
