#pragma once
/* Ollama: the functions of its row. */

#include "providers/rehearsal/dialects/dialect.h"
#include "shared/json/json_write.h"

int dialect_ollama_read(const struct request *request, struct conversation *out,
                        struct problem *problem);
int dialect_ollama_read_embedding(const struct request *request, struct conversation *out,
                                  struct embedding_request *embedding, struct problem *problem);

void dialect_ollama_write(const struct answer *answer, struct buf *out);
void dialect_ollama_write_events(const struct answer *answer, struct event_list *out);
void dialect_ollama_write_vectors(const struct vectors *vectors, struct buf *out);
void dialect_ollama_write_models(struct buf *out);
