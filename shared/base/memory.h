#pragma once
/* Heap allocation for small, fixed sizes: running out of memory aborts with a message. Whatever is
 * sized by input has a limit of its own and goes through a buf or an arena. */

#include <stddef.h>

#include "shared/base/compiler.h"

/* Each returns memory that the caller frees with free(). None returns NULL. */
MUSTCHECK void *xmalloc(size_t size);
MUSTCHECK void *xcalloc(size_t count, size_t size);
MUSTCHECK void *xrealloc(void *pointer, size_t size);
MUSTCHECK char *xstrdup(const char *string);
MUSTCHECK char *xstrndup(const char *string, size_t length);
MUSTCHECK PRINTF(1, 2) char *xasprintf(const char *format, ...);

/* For CLEANUP: frees what the variable points to. */
void freep(void *pointer_to_pointer);
