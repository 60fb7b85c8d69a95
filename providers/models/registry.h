#pragma once
/* Which provider serves a model, from the name that an agent gives it. Pure: no HTTP, no clock.
 *
 * In this order:
 *   1. a name of the configuration's models          "fast" -> groq, "llama-3.1-8b-instant"
 *   2. "provider/model", provider of the configuration  "groq/openai/gpt-oss-120b"
 *   3. a name of models.h, or one of its dated variants   "gpt-4o-2024-08-06" -> openai
 *   4. any other bare name, where the configuration has a default provider
 */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct config;
struct error;
struct provider_registry;

/* The configuration must outlive the registry. Returns 0 with *out, which the caller holds once, or
 * -E_INVALID when a provider's kind is not known, or a model or the default names a provider that
 * is not there. */
MUSTCHECK int provider_registry_new(const struct config *config, struct provider_registry **out,
                                    struct error *err);

/* Gives a hold back; with the last one it is freed. Accepts NULL. */
void provider_registry_free(struct provider_registry *registry);
void provider_registry_freep(struct provider_registry **registry);

/* One hold more. A registry may be replaced while it is in use (registry_reload.h), and a target
 * borrows from its own: who keeps one while he waits, holds the registry as long. Returns it. */
struct provider_registry *provider_registry_hold(struct provider_registry *registry);

/* Makes *held (NULL: none yet) a hold of the current one. True: it was another one, and what was
 * resolved from that is not valid any more. */
bool provider_registry_follow(struct provider_registry **held, struct provider_registry *current);

/* The configuration that it was made of is freed with it. */
void provider_registry_own(struct provider_registry *registry, struct config *config);

/* What it was made of. Borrowed. */
const struct config *provider_registry_config(const struct provider_registry *registry);

/* Returns 0 with *out, which is valid as long as the registry is held, or -E_NOT_FOUND, whose text
 * says what would be right and is fit for an API error. */
MUSTCHECK int provider_registry_resolve(const struct provider_registry *registry, struct text model,
                                        struct provider_target *out, struct error *err);

/* The model that makes the vectors of messages and memories, as the configuration says it. */
#define REGISTRY_EMBEDDING_MODEL "builtin/hashed-words-1"
const char *registry_embedding_model(const struct config *config);

/* Calls `fn` with the name and target of each model that is configured: the configuration's models,
 * then those that are known by name of providers that have a key. Each name resolves to what is
 * given with it. */
typedef void (*provider_registry_fn)(void *arg, struct text name,
                                     const struct provider_target *target);
void provider_registry_list(const struct provider_registry *registry, provider_registry_fn fn,
                            void *arg);
