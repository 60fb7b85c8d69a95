#pragma once
/* The member `memories` of an agent: what its runs learn of their users, and what they are told of
 * them. Pure.
 *
 *     {"recall": true, "learn": true, "scope": "user", "kinds": ["fact", "preference", "episode"],
 *      "top_k": 5, "score_threshold": 0.2, "max_tokens": 1000,
 *      "model": "openai/gpt-4o-mini", "instructions": "Only what concerns travel."}
 *
 * Each may be absent; an agent without the member neither learns nor is told anything. `kinds` are
 * those that are learned and told. `model` and `instructions` are for learning. The request for a
 * run may switch both off, and no more. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

#define MEMORIES_TOP_K            5
#define MEMORIES_TOP_K_MAX        50
#define MEMORIES_TOKENS           1000
#define MEMORIES_TOKENS_MIN       64
#define MEMORIES_TOKENS_MAX       16000
#define MEMORIES_INSTRUCTIONS_MAX 8000 /* characters */

struct memories_settings {
    bool said;              /* there is such a member */
    bool recall;            /* before its first call a run is told what is known */
    bool learn;             /* what was said is gone through when a run is completed */
    bool of_agent;          /* "scope": "agent": what it learns it alone knows */
    unsigned kinds;         /* a bit each (1 << MEMORY_FACT) */
    int64_t top_k;          /* memories, at most */
    int64_t max_tokens;     /* of all that is told */
    double score_threshold; /* negative: the search's own */
    struct text model;      /* that learns; TEXT_NONE: the run's */
    struct text instructions;
    struct text json; /* the member itself */
};

/* Of a spec; what is odd there is as if nobody had said it. Texts are borrowed from it. */
void memories_settings_read(struct json_object *spec, struct memories_settings *out);
