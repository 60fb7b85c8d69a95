#pragma once
/* Google Gemini's generateContent and its embeddings: the functions of its row. */

#include "providers/rehearsal/dialects/dialect.h"
#include "shared/json/json_write.h"

/* Of the row, and in its seals. */
#define GEMINI_NAME "gemini"

/* Models that sign their calls and want the signatures back. */
bool dialect_gemini_model_signs(struct text model);

/* A member by its name in camelCase or in snake_case, as Google's JSON has both. NULL: absent. */
struct json_object *dialect_gemini_get(struct json_object *object, const char *name);

/* 400 INVALID_ARGUMENT for a member that is none of `known`, ended by NULL, in camelCase. `at` is
 * the path of the object; "": the request. */
MUSTCHECK int dialect_gemini_check_members(struct problem *problem, struct json_object *object,
                                           const char *const *known, const char *at);

/* 403 where a request has no key. */
MUSTCHECK int dialect_gemini_check_key(const struct request *request, struct problem *problem);

/* Appends the texts of a content's parts, with line breaks between them. */
void dialect_gemini_gather(struct json_object *content, struct buf *out);

/* All of a request but its contents. */
MUSTCHECK int dialect_gemini_read_settings(struct reader *reader);

int dialect_gemini_read(const struct request *request, struct conversation *out,
                        struct problem *problem);
void dialect_gemini_write(const struct answer *answer, struct buf *out);
void dialect_gemini_write_events(const struct answer *answer, struct event_list *out);

int dialect_gemini_read_embedding(const struct request *request, struct conversation *out,
                                  struct embedding_request *embedding, struct problem *problem);
void dialect_gemini_write_vectors(const struct vectors *vectors, struct buf *out);
