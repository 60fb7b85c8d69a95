#pragma once
/* What is known of a provider without asking it. Pure. */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct provider_registry;

struct provider_facts {
    struct provider_target target; /* of any model: for what is the same for all of them */
    const char *kind;
    bool in_use;         /* the configuration or a variable names it; it is not just built in */
    bool key_in_headers; /* one of its headers is a key */
    size_t models;       /* of the configuration, and others that are known by name */
    size_t limited;      /* of these, models with limits that are known */
};

/* Of the provider at a place of the configuration's list. Valid as long as the registry is held. */
struct provider_facts provider_facts_of(const struct provider_registry *registry, unsigned index);

/* It is in use, and can't be called for want of a key: target.key_variable names it. */
bool provider_facts_misses_key(const struct provider_facts *facts);

/* "set", "2 keys", "in headers", "OPENAI_API_KEY is missing", "none". */
#define PROVIDER_KEY_WORDS_SIZE 80
void provider_facts_key(const struct provider_facts *facts, char out[PROVIDER_KEY_WORDS_SIZE]);

/* Appends its address, without the user and password that a url may hold. */
void provider_facts_address(const struct provider_facts *facts, struct buf *out);
