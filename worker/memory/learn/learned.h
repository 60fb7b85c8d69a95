#pragma once
/* What is learned of a user from what was said on a thread: what a model is asked, and what its
 * answer is taken for. Pure.
 *
 * The model is shown the conversation and what is known already, both as one JSON document, so that
 * nothing that was said there can pretend to be anything else. Its answer is bad input as any:
 * whatever part of it does not fit is left out and counted.
 */

#include "shared/agent/memories/memories_settings.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/recall/memory_kind.h"
#include "shared/store/threads/messages.h"

struct error;
struct thread_sayings;

#define LEARNED_OPS_MAX   10  /* of one answer */
#define LEARNED_KNOWN_MAX 300 /* memories that the model is shown */

/* A memory that is known already. */
struct learned_known {
    struct uuid id;
    int64_t version;
    enum memory_kind kind;
    struct text text;
    int64_t updated_at;
};

enum learned_action { LEARNED_ADD, LEARNED_REPLACE, LEARNED_FORGET };

/* A change of what is known. Done twice it has the effect of once. */
struct learned_op {
    enum learned_action action;
    struct uuid id;      /* of the memory that is made: not of LEARNED_FORGET */
    struct uuid old;     /* not of LEARNED_ADD */
    int64_t old_version; /* the same */
    enum memory_kind kind;
    struct text text; /* in the form of shared/recall/memory_text.h */
};

struct learned {
    struct learned_op *ops;
    size_t count;
    size_t refused; /* parts of the answer that did not fit */
    int64_t to;     /* the position up to which was gone through */
    bool more;      /* something was said behind that */
};

/* The instructions of who learns: ours, and what the agent says of it. Appends. */
void learn_instructions_write(const struct memories_settings *settings, struct buf *out);

/* JSON Schema of an answer. */
extern const char learn_schema[];

/* The document. Appends. `now_s`: unix time. */
void learn_document_write(const struct thread_sayings *sayings, const struct learned_known *known,
                          size_t known_count, int64_t now_s, struct buf *out);

/* Reads an answer: the JSON object that it is or has in it. A text that says nearly what a known
 * one of its kind says replaces that. Returns 0; -E_INVALID: it is none; -E_LIMIT. */
MUSTCHECK int learned_read(struct text answer, const struct learned_known *known,
                           size_t known_count, unsigned kinds, struct arena *arena,
                           struct learned *out, struct error *err);

/* As it is pending in a mark (shared/store/users/memory_marks.h), and back. */
void learned_write(const struct learned *learned, struct buf *out);
MUSTCHECK int learned_parse(struct text pending, struct arena *arena, struct learned *out,
                            struct error *err);
