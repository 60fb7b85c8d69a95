#pragma once
/* A call to the outside may begin only while the worker's lease is trusted (heartbeat.h): later,
 * another worker may have taken the run over and be making the same call. */

#include "shared/base/compiler.h"

struct error;
struct heartbeat;

/* Waits until the lease is trusted. Returns 0, or -E_CANCELED (also when the lease is lost, since
 * the watch then cancels the run). */
SUSPENDS MUSTCHECK int trust_wait(const struct heartbeat *heartbeat, struct error *err);
