/* Arena: a list of blocks, the newest first; allocation bumps a pointer in the newest. */

#include "shared/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_DEFAULT_LIMIT ((size_t)64 << 20)
#define FIRST_BLOCK_BYTES   1024
#define LARGEST_BLOCK_BYTES 65536
#define ALIGNMENT           _Alignof(max_align_t)

struct arena_block {
    struct arena_block *next;
    size_t size;
    size_t used;
    _Alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){.limit = limit ? limit : ARENA_DEFAULT_LIMIT};
}

void arena_deinit(struct arena *arena)
{
    struct arena_block *block = arena->blocks;

    while (block) {
        struct arena_block *next = block->next;

        free(block);
        block = next;
    }
    arena->blocks = NULL;
    arena->used = 0;
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
    size_t want = arena->used / 2; /* so at most a third is ever unused */
    struct arena_block *block;

    if (want < FIRST_BLOCK_BYTES)
        want = FIRST_BLOCK_BYTES;
    if (want > LARGEST_BLOCK_BYTES)
        want = LARGEST_BLOCK_BYTES;
    if (want < size)
        want = size;
    block = malloc(sizeof(*block) + want);
    if (!block)
        return NULL;
    *block = (struct arena_block){.next = arena->blocks, .size = want};
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->blocks;
    void *pointer;

    if (size == 0)
        size = 1;
    if (size > arena->limit)
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > arena->limit - arena->used)
        return NULL;
    if (!block || block->size - block->used < size)
        block = add_block(arena, size);
    if (!block)
        return NULL;
    pointer = block->bytes + block->used;
    block->used += size;
    arena->used += size;
    return pointer;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    void *pointer;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    pointer = arena_alloc(arena, total);
    if (pointer)
        memset(pointer, 0, total);
    return pointer;
}

char *arena_copy(struct arena *arena, struct text text)
{
    char *copy = text.len < SIZE_MAX ? arena_alloc(arena, text.len + 1) : NULL;

    if (!copy)
        return NULL;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

char *arena_string(struct arena *arena, const char *string)
{
    return arena_copy(arena, text_of(string));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    char small[128];
    va_list args;
    char *string;
    int len;

    va_start(args, format);
    len = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    if (len < 0)
        return NULL;
    if ((size_t)len < sizeof(small))
        return arena_copy(arena, (struct text){small, (size_t)len});
    string = arena_alloc(arena, (size_t)len + 1);
    if (!string)
        return NULL;
    va_start(args, format);
    vsnprintf(string, (size_t)len + 1, format, args);
    va_end(args);
    return string;
}
