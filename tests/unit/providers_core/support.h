#pragma once
/* Shared by the tests of providers: a target, and what stands between a value and its check. */

#include "providers/formats/formats.h"
#include "providers/formats/openai_chat.h"
#include "providers/reply/decoder.h"
#include "providers/wire/wire.h"
#include "shared/json/json.h"

/* A target of that name, key "sk-test-1234567890", model "m-1". */
struct provider_target support_target(const char *provider_name);

/* The same of another format. */
struct provider_target support_target_of(const struct provider *format, const char *provider_name);

/* Decodes a response of status 200 without headers, fed in pieces of `piece` bytes (0: at once),
 * into an arena that lives until the next one. */
int support_read(const struct provider_target *target, const char *body, size_t piece,
                 struct chat_reply *out, struct provider_failure_info *failure);

/* The same of Chat Completions at once. */
int support_decode(const char *provider_name, const char *body, struct chat_reply *out,
                   struct provider_failure_info *failure);

/* The same of Chat Completions in pieces. */
int support_stream(const char *provider_name, const char *body, size_t piece,
                   struct chat_reply *out, struct provider_failure_info *failure);

/* Feeds a response's body to a decoder, in pieces of `piece` bytes (0: at once), and finishes
 * it. */
int support_finish(const struct provider_target *target, const struct provider_response *response,
                   size_t piece, struct chat_reply *out, struct provider_failure_info *failure);

/* Decodes any response. `headers` is "Name: value\n…" or NULL. */
int support_decode_status(int status, const char *headers, const char *body,
                          struct provider_failure_info *failure);

/* Whether the body that a request encodes to is the same JSON value as `expected`. Prints both when
 * it is not. */
bool support_encodes_to(const struct provider_target *target, const struct chat_request *request,
                        const char *expected);

/* JSON that is easier to read: each ' is a ". Valid until the fourth call after it. */
const char *support_json(const char *text);

/* What whoever watches is told of a body, "KIND NUMBER TEXT ID/NAME|" an event; valid until the
 * next call. */
const char *support_watched(const struct provider_target *target, const char *body);

/* The value of a header that a request is sent with, or NULL. */
const char *support_header(const struct provider_wire *wire, const char *name);
