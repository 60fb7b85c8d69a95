#pragma once
/* Secrets in the URL of a webhook: "https://hooks.example.com/T0/${secret:CHAT_HOOK}". They may
 * stand in its path and its query, and are opened for each try (shared/tools/open_secrets.h). What
 * a reference is, shared/secrets/reference.h says. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/secrets/redactor.h"
#include "shared/tools/http_tool.h"

struct error;

#define HOOK_URL_SECRETS_MAX HTTP_TOOL_SECRETS_MAX

/* Most have none, and are sent to as they stand. */
bool hook_url_has_secrets(struct text url);

/* The names of those that it refers to, each once. Returns 0, or -E_INVALID: a reference is not
 * well formed, stands in scheme or host, or is one too many. */
MUSTCHECK int hook_url_read(struct text url, struct text out_names[HOOK_URL_SECRETS_MAX],
                            size_t *out_count, struct error *err);

/* Appends the URL with the values in their places, as %XX where they are no plain characters.
 * `secrets` NULL: an x for each. Returns 0, or -E_INVALID: one is not among them. */
MUSTCHECK int hook_url_write(struct text url, const struct known_secret *secrets, size_t count,
                             struct buf *out, struct error *err);
