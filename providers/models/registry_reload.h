#pragma once
/* A registry that is made anew while calls are under way. They hold the one that they began with
 * (provider_registry_hold), which is freed when the last of them has ended. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct config;
struct error;
struct provider_registry;

/* Puts a registry of `config`, which it then owns, in the place of *current, and gives the hold of
 * that back. Appends the names of what has changed to `changed`: "provider inhouse added, model
 * small changed"; nothing where both say the same. Returns 0; or what provider_registry_new does:
 * then *current is as it was, and `config` still the caller's. */
MUSTCHECK int provider_registry_reload(struct provider_registry **current, struct config *config,
                                       struct buf *changed, struct error *err);
