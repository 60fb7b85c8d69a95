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

/* The configuration must outlive the registry. Returns 0 with *out, or -E_INVALID when a provider's
 * kind is not known, or a model or the default names a provider that is not there. */
MUSTCHECK int provider_registry_new(const struct config *config, struct provider_registry **out,
                                    struct error *err);
void provider_registry_free(struct provider_registry *registry); /* accepts NULL */
void provider_registry_freep(struct provider_registry **registry);

/* Returns 0 with *out, which is valid as long as the registry is, or -E_NOT_FOUND, whose text says
 * what would be right and is fit for an API error. */
MUSTCHECK int provider_registry_resolve(const struct provider_registry *registry, struct text model,
                                        struct provider_target *out, struct error *err);

/* Calls `fn` with the name and target of each model that is configured: the configuration's models,
 * then those that are known by name of providers that have a key. Each name resolves to what is
 * given with it. */
typedef void (*provider_registry_fn)(void *arg, struct text name,
                                     const struct provider_target *target);
void provider_registry_list(const struct provider_registry *registry, provider_registry_fn fn,
                            void *arg);
