#pragma once
/* An arena owns the memory of one unit of work (a request, a run) and frees it at once.
 *
 * Blocks grow from 1 KiB; nothing is freed on its own. An arena has a limit in bytes: what would go
 * over it returns NULL, and whoever sizes an allocation by input must check.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used;  /* bytes, all blocks */
    size_t limit; /* bytes */
};

void arena_init(struct arena *arena, size_t limit); /* limit 0 means 64 MiB */
void arena_deinit(struct arena *arena);             /* frees all; usable again */

/* Aligned for any type, not cleared. NULL when over the limit. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_calloc(struct arena *arena, size_t count, size_t size);

/* Copies, ended by a zero. NULL when over the limit. */
char *arena_copy(struct arena *arena, struct text text);
char *arena_string(struct arena *arena, const char *string);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF(2, 3);
