#pragma once
/* The steps of runs, as the API lists them, in order of `seq`. Workers write them through
 * run_leases.h. */

#include "shared/store/store.h"

enum step_type { STEP_MESSAGE_CREATION, STEP_TOOL_CALLS };
enum step_status {
    STEP_IN_PROGRESS,
    STEP_COMPLETED,
    STEP_FAILED,
    STEP_CANCELLED,
    STEP_EXPIRED,
};

struct run_step {
    struct uuid id;
    struct uuid run_id;
    struct uuid thread_id;
    struct uuid agent_id;
    int64_t seq;
    enum step_type type;
    enum step_status status;
    struct uuid message_id; /* of a message creation */
    struct text tool_calls; /* JSON array in the API's shape; TEXT_NONE: none */
    struct text usage;      /* JSON object; TEXT_NONE: null */
    struct text last_error; /* JSON object; TEXT_NONE: null */
    struct text model;      /* what answered, "provider/model"; TEXT_NONE: not told */
    int64_t cost_micros;    /* of that call; -1: not told */
    struct text tried;      /* JSON array: models that could not answer; TEXT_NONE: none */
    int left_out;           /* messages that the call left out */
    struct text reasoning;  /* what the model thought before it; TEXT_NONE: nothing is known */
    int64_t created_at;
    int64_t ended_at; /* completed_at, failed_at, cancelled_at or expired_at, as status says */
};

struct run_step_list {
    struct run_step *items;
    size_t count;
    bool has_more;
};

const char *step_type_name(enum step_type type);
const char *step_status_name(enum step_status status);

/* What a model thought before a step. */
struct step_thought {
    struct uuid run;
    struct uuid step;
    struct text text;
};

struct step_thoughts {
    struct step_thought *items;
    size_t count;
};

/* Those of some runs, run after run, and in the order of its steps, the first `bytes_max` bytes of
 * each run: what is beyond is left out. */
SUSPENDS MUSTCHECK int run_steps_thoughts(const struct store *store, const struct uuid *runs,
                                          size_t count, int64_t bytes_max,
                                          struct step_thoughts *out, struct error *err);

/* STEP_MISSING. */
SUSPENDS MUSTCHECK int run_steps_get(const struct store *store, struct uuid run, struct uuid id,
                                     struct run_step *out, struct error *err);

/* RUN_MISSING, CURSOR_MISSING. */
SUSPENDS MUSTCHECK int run_steps_list(const struct store *store, struct uuid run,
                                      const struct page *page, struct run_step_list *out,
                                      struct error *err);

/* Those behind number `seq`, in order: `limit` at most, and of more than one at most
 * PAGE_BYTES_MAX. out->has_more: there are others behind these. Of a run that is not there,
 * none. */
SUSPENDS MUSTCHECK int run_steps_after(const struct store *store, struct uuid run, int64_t seq,
                                       int limit, struct run_step_list *out, struct error *err);
