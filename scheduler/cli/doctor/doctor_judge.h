#pragma once
/* What `penstock doctor` thinks of what it found. Pure. */

#include "shared/base/compiler.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct config;
struct workers_code;

struct doctor_finding {
    enum doctor_verdict verdict;
    char text[320]; /* what is, and unless ok what to do */
};

struct doctor_finding doctor_ok(const char *format, ...) PRINTF(1, 2);
struct doctor_finding doctor_warning(const char *format, ...) PRINTF(1, 2);
struct doctor_finding doctor_failed(const char *format, ...) PRINTF(1, 2);

/* Which engines web_search asks, in their order; the files of their keys are read. */
struct doctor_finding doctor_judge_search(const struct config *config);

struct doctor_finding doctor_judge_postgres(int64_t server_version_num); /* 150004 */
struct doctor_finding doctor_judge_connections(int64_t open, int64_t max);
struct doctor_finding doctor_judge_redis(const char *version); /* "7.0.15" */
struct doctor_finding doctor_judge_eviction(const char *policy, bool has_limit);
/* state: the word for what Redis is, NULL when it takes hints; `error` is what it said. */
struct doctor_finding doctor_judge_hints(const char *state, const char *error);
struct doctor_finding doctor_judge_workers(int64_t up, int64_t slots);
/* `policies`: how many say that something goes. lag_s: since what was due is gone. */
struct doctor_finding doctor_judge_retention(int64_t policies, int64_t lag_s);
struct doctor_finding doctor_judge_code(const struct workers_code *said); /* programs of models */
struct doctor_finding doctor_judge_clock(int64_t ahead_ms);               /* theirs minus ours */
struct doctor_finding doctor_judge_descriptors(int64_t hard_limit);
struct doctor_finding doctor_judge_maps(int64_t max_map_count);

/* status 0: it could not be reached, for the reason in `error`. */
struct doctor_finding doctor_judge_server(const char *url, const char *origin, int status,
                                          const char *error);

/* How a provider of a kind is asked whether it takes the key: for the list of its models. */
struct doctor_probe {
    const char *kind;
    const char *path; /* behind the base_url */
    const char *key_header;
    const char *key_scheme;     /* in front of the key */
    const char *version_header; /* another one that is asked for; NULL: none */
    const char *version;
    int refused; /* the status that means a wrong key, beside 401 and 403; 0: none */
};

/* The probe of a kind; of one without a row, that of openai_chat. */
const struct doctor_probe *doctor_probe_of(const char *kind);

/* status 0: as above. */
struct doctor_finding doctor_judge_provider(const char *base_url, const struct doctor_probe *probe,
                                            int status, const char *error);
