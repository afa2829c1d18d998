/* adapters/swarm/life.h — what the parts of one life share: processes, people, other servers. */
#ifndef COALMINE_SWARM_LIFE_H
#define COALMINE_SWARM_LIFE_H

#include "adapters/http/fiber.h"
#include "adapters/operator/operator.h"
#include "adapters/simkube/world.h"
#include "adapters/swarm/judge.h"
#include "sim/rng.h"

#define CANARIES "/apis/flagger.app/v1beta1/namespaces/" SWARM_NS "/canaries"
#define MERGE "application/merge-patch+json"

struct swarm {
    struct simkube *cluster;
    struct fiber_pool *stacks;
};

/* Begin with new ones, when fibers that hang keep the old ones. False when memory is out. */
bool swarm_new_stacks(struct swarm *s);

struct life {
    const struct swarm_plan *plan;
    struct simkube *k;
    struct simworld *world;
    struct tasks *tasks;
    struct judge judge;
    int processes;   /* started so far */
    size_t ends;     /* of processes, begun so far */
    int image;       /* released last */
    int config;      /* released last */
    uint64_t calls;  /* to hooks and metric servers so far: what goes wrong with the next */
    bool gates_shut; /* confirm-… hooks say no */
    bool call_back;  /* rollback hooks say yes */
    bool healed, over;
};

/* people.c: the task that installs, acts by the plan, and in the end waits for rest. */
void people_run(void *life);
/* servers.c: metric server, hooks and chat, for simworld_options.elsewhere. */
int servers_answer(void *life, const struct http_request *req, struct http_response *response);
/* Is this ask of a hook answered twice? For operator_options.answers_twice. */
bool servers_answer_twice(void *life, enum ask_kind kind);
/* A request of the administrator: the status. */
int admin_ask(struct simkube *k, const char *method, const char *target, const char *type,
              const char *body);
void life_tell(struct life *l, const char *text);

#endif
