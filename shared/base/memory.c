/* Heap allocation that aborts when memory runs out. */

#include "shared/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void assert_failed(const char *condition, const char *file, int line, const char *function)
{
    fprintf(stderr, "assertion failed: %s (%s:%d, %s)\n", condition, file, line, function);
    abort();
}

static NORETURN void out_of_memory(size_t size)
{
    fprintf(stderr, "out of memory: %zu bytes wanted\n", size);
    abort();
}

void *xmalloc(size_t size)
{
    void *pointer = malloc(size ? size : 1);

    if (!pointer)
        out_of_memory(size);
    return pointer;
}

void *xcalloc(size_t count, size_t size)
{
    void *pointer = calloc(count ? count : 1, size ? size : 1);

    if (!pointer)
        out_of_memory(count * size);
    return pointer;
}

void *xrealloc(void *pointer, size_t size)
{
    void *moved = realloc(pointer, size ? size : 1);

    if (!moved)
        out_of_memory(size);
    return moved;
}

char *xstrndup(const char *string, size_t length)
{
    char *copy = xmalloc(length + 1);

    memcpy(copy, string, length);
    copy[length] = '\0';
    return copy;
}

char *xstrdup(const char *string)
{
    return xstrndup(string, strlen(string));
}

char *xasprintf(const char *format, ...)
{
    va_list args;
    char *string = NULL;
    int length;

    va_start(args, format);
    length = vasprintf(&string, format, args);
    va_end(args);
    if (length < 0)
        out_of_memory(0);
    return string;
}

void freep(void *pointer_to_pointer)
{
    void **pointer = pointer_to_pointer;

    free(*pointer);
    *pointer = NULL;
}
