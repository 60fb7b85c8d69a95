#pragma once
/* Addresses that stand in pages and replies, relative to where these came from. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define PAGE_URL_MAX 2048 /* bytes; longer ones are none */

/* Writes the address that `reference` is at `base`, without a fragment, ended by a zero. False: it
 * is none that can be asked for (http, https), or is too long. */
MUSTCHECK bool page_url_join(struct text base, struct text reference, char out[PAGE_URL_MAX + 1]);
