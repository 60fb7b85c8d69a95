#pragma once
/* The master keys that secrets of tenants are sealed under: the present one, and those before it.
 *
 * They come as text: keys with blanks, commas or line breaks between, each 32 bytes in base64 or as
 * 64 hexadecimal digits. The first one seals; the others open what was sealed under them before.
 * Where they come from a file, it is read again when a secret was sealed under a key that is not
 * known yet, and before anything is sealed: so a key is changed without a restart of anybody.
 *
 * A key has an id, which is stored beside what it sealed and tells nothing of the key. The bytes
 * are wiped when the ring is freed.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct key_ring;

#define MASTER_KEY_BYTES 32
#define MASTER_KEYS_MAX  16
#define KEY_ID_SIZE      17 /* 16 hexadecimal digits and the zero */

struct master_key {
    uint8_t bytes[MASTER_KEY_BYTES];
    char id[KEY_ID_SIZE];
};

/* `keys` is their text and `file` the path of such a text; at most one of the two is not empty.
 * With neither there is no key, and secrets are refused. Returns 0, or -E_INVALID with what is
 * wrong, never with a key. Process lifetime: key_ring_free. */
MUSTCHECK int key_ring_open(const char *keys, const char *file, struct key_ring **out,
                            struct error *err);
void key_ring_free(struct key_ring *ring); /* accepts NULL */

/* Reads the file again, if there is one. A file that can't be read changes nothing. */
void key_ring_refresh(struct key_ring *ring);

/* The key that seals. NULL: there is none. */
const struct master_key *key_ring_current(const struct key_ring *ring);

/* The key of an id, whether it seals or only opens; the file is looked at where it is not known.
 * NULL: there is none. */
const struct master_key *key_ring_find(struct key_ring *ring, struct text id);
