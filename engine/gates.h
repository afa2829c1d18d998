/*
 * engine/gates.h — the whole machine on a page: the gates of a tick, in their order.
 *
 * A tick walks the rows from the top. A row applies when all facts of `need` hold and none of
 * `never` (engine/facts.h). Its enter function decides: the row asks what stands under `asks`, or
 * the tick ends, goes on with the next row or jumps to a named one; its answered function does the
 * same with the answer. To know what happens after the rollback hooks, read the row below theirs.
 * Rows that need F_JUMP are reached by jumps only. Gate numbers are those of
 * docs/engine/semantics.md §3 to §9.
 */
#ifndef COALMINE_ENGINE_GATES_H
#define COALMINE_ENGINE_GATES_H

#include "engine/engine.h"
#include "engine/facts.h"

/* clang-format off */
/* X(row, gate, need, never, asks, enter, answered) */
#define GATES(X) \
    /* set-up */ \
    X(LOAD                   , "G01" , 0                             , 0                    , LOAD            , gate_just_ask                    , gate_load_answered)                   \
    X(COMMAND                , "G01" , F_COMMAND                     , 0                    , NONE            , gate_command_enter               , gate_never_answered)                  \
    X(COMMAND_SAVE           , "G01" , F_JUMP                        , 0                    , SAVE            , gate_command_save_enter          , gate_command_save_answered)           \
    X(SUSPEND                , "G02" , F_SUSPEND                     , 0                    , NONE            , gate_suspend_enter               , gate_never_answered)                  \
    X(SERVICES               , "G06" , 0                             , F_SETTLED            , SERVICES        , gate_just_ask                    , gate_raw_or_next)                     \
    X(PROVIDERS              , "G07" , F_INITIALISING                , F_SKIP               , PROVIDERS       , gate_just_ask                    , gate_providers_answered)              \
    X(EARLY_MESH             , "G08" , F_APPMESH                     , F_SETTLED            , ROUTES_RECONCILE, gate_just_ask                    , gate_raw_or_next)                     \
    X(PRIMARY_INIT           , "G09" , 0                             , F_SETTLED            , PRIMARY_INIT    , gate_primary_init_enter          , gate_primary_init_answered)           \
    X(SCALER_INIT            , "G10" , F_SCALER                      , F_SETTLED            , SCALER_PRIMARY  , gate_scaler_init_enter           , gate_raw_or_next)                     \
    X(SCALER_PAUSE           , "G10" , F_SCALER | F_INITIALISING     , 0                    , SCALER_PAUSE    , gate_just_ask                    , gate_raw_or_next)                     \
    X(APEX                   , "G11" , 0                             , F_SETTLED            , APEX            , gate_just_ask                    , gate_raw_or_next)                     \
    X(SCALE_DOWN             , "G12" , F_INITIALISING                , 0                    , SCALE_ZERO      , gate_just_ask                    , gate_scale_down_answered)             \
    X(MESH                   , "G13" , 0                             , F_APPMESH | F_SETTLED, ROUTES_RECONCILE, gate_just_ask                    , gate_raw_or_next)                     \
    X(INITIALISED_SAVE       , "G14" , F_INITIALISING                , 0                    , SAVE            , gate_initialised_save_enter      , gate_initialised_save_answered)       \
    X(INITIALISED_LOAD       , "G14" , F_INITIALISING                , 0                    , LOAD            , gate_just_ask                    , gate_initialised_load_answered)       \
    /* advance? */ \
    X(FAILED_SYNC            , "G15" , F_FAILED | F_EARLY_SYNC       , 0                    , SAVE            , gate_failed_sync_enter           , gate_raw_or_next)                     \
    X(DETECT_TARGET          , "G15" , 0                             , F_IN_PROGRESS        , TARGET          , gate_just_ask                    , gate_detect_target_answered)          \
    X(DETECT_CONFIGS         , "G15" , F_TRACKED                     , F_IN_PROGRESS        , CONFIGS         , gate_just_ask                    , gate_detect_configs_answered)         \
    X(UNCHANGED              , "G15" , 0                             , F_IN_PROGRESS        , SAVE            , gate_unchanged_enter             , gate_unchanged_answered)              \
    X(PRIMARY_READY          , "G16" , 0                             , F_SKIP_BLIND         , PRIMARY_READY   , gate_just_ask                    , gate_primary_ready_answered)          \
    X(ROUTES                 , "G17" , 0                             , 0                    , ROUTES_GET      , gate_just_ask                    , gate_routes_answered)                 \
    /* start */ \
    X(STATUS_GAUGE           , "G18" , 0                             , 0                    , NONE            , gate_status_gauge_enter          , gate_never_answered)                  \
    X(START_ABORT            , "G18" , F_COMMAND | F_WAITING         , 0                    , NONE            , gate_abort_enter                 , gate_never_answered)                  \
    X(START_ROLLBACK_HOOKS   , "G18" , F_WAITING | F_ROLLBACK_WAITING, 0                    , HOOK            , gate_start_rollback_hooks_enter  , gate_rollback_hooks_answered)         \
    X(CONFIRM_ROLLOUT        , "G18" , 0                             , 0                    , HOOK            , gate_confirm_rollout_enter       , gate_confirm_rollout_answered)        \
    X(NEW_REVISION           , "G18" , 0                             , 0                    , NONE            , gate_new_revision_enter          , gate_never_answered)                  \
    X(START_ROUTES           , "G18" , 0                             , 0                    , ROUTES_SET      , gate_start_routes_enter          , gate_start_routes_answered)           \
    X(START_RESUME           , "G18" , F_SCALER                      , 0                    , SCALER_RESUME   , gate_just_ask                    , gate_raw_or_next)                     \
    X(START_SCALE            , "G18" , 0                             , 0                    , SCALE_UP        , gate_just_ask                    , gate_start_scale_answered)            \
    X(START_SAVE             , "G18" , 0                             , 0                    , SAVE            , gate_start_save_enter            , gate_start_save_answered)             \
    X(WAITING_SAVE           , "G18" , F_JUMP                        , 0                    , SAVE            , gate_waiting_save_enter          , gate_waiting_save_answered)           \
    /* decide */ \
    X(RESTART_TARGET         , "G19" , F_ANALYSING                   , 0                    , TARGET          , gate_just_ask                    , gate_restart_target_answered)         \
    X(RESTART_CONFIGS        , "G19" , F_ANALYSING | F_TRACKED       , 0                    , CONFIGS         , gate_just_ask                    , gate_restart_configs_answered)        \
    X(RESTART_REVERTED       , "G19" , 0                             , 0                    , NONE            , gate_restart_reverted_enter      , gate_never_answered)                  \
    X(RESTART_ROUTES         , "G19" , F_JUMP                        , 0                    , ROUTES_SET      , gate_restart_routes_enter        , gate_raw_or_next)                     \
    X(RESTART_SAVE           , "G19" , 0                             , 0                    , SAVE            , gate_restart_save_enter          , gate_raw_or_end)                      \
    X(CANARY_READY           , "G20" , 0                             , 0                    , CANARY_READY    , gate_just_ask                    , gate_canary_ready_answered)           \
    X(SKIP_BEGIN             , "G21" , F_SKIP                        , 0                    , NONE            , gate_skip_begin_enter            , gate_never_answered)                  \
    X(SKIP_ROUTES            , "G21" , F_SKIP                        , 0                    , ROUTES_SET      , gate_skip_routes_enter           , gate_skip_routes_answered)            \
    X(SKIP_PROMOTE           , "G21" , F_SKIP                        , 0                    , PROMOTE         , gate_promote_enter               , gate_skip_promote_answered)           \
    X(SKIP_PROMOTED_SAVE     , "G21" , F_JUMP                        , 0                    , SAVE            , gate_promoted_save_enter         , gate_raw_or_end)                      \
    X(SKIP_SCALER            , "G21" , F_SKIP | F_SCALER             , 0                    , SCALER_PRIMARY  , gate_just_ask                    , gate_raw_or_next)                     \
    X(SKIP_PAUSE             , "G21" , F_SKIP | F_SCALER             , 0                    , SCALER_PAUSE    , gate_just_ask                    , gate_raw_or_next)                     \
    X(SKIP_SCALE_ZERO        , "G21" , F_SKIP                        , 0                    , SCALE_ZERO      , gate_just_ask                    , gate_raw_or_next)                     \
    X(SKIP_SAVE              , "G21" , F_SKIP                        , 0                    , SAVE            , gate_succeeded_save_enter        , gate_skip_save_answered)              \
    X(ABORT                  , "G22" , F_COMMAND | F_ANALYSING       , 0                    , NONE            , gate_abort_enter                 , gate_never_answered)                  \
    X(ROLLBACK_HOOKS         , "G22" , F_ANALYSING | F_ROLLBACK_HOOKS, 0                    , HOOK            , gate_rollback_hooks_enter        , gate_rollback_hooks_answered)         \
    X(PROMOTING_SCALER       , "G23" , F_PROMOTING | F_SCALER        , 0                    , SCALER_PRIMARY  , gate_just_ask                    , gate_raw_or_next)                     \
    X(SHIFT_ROUTES           , "G23" , F_PROMOTING                   , 0                    , ROUTES_SET      , gate_shift_routes_enter          , gate_shift_routes_answered)           \
    X(SHIFT_SAVE             , "G23" , F_PROMOTING                   , 0                    , SAVE            , gate_shift_save_enter            , gate_raw_or_end)                      \
    X(FINALISING_ROUTES      , "G24" , F_FINALISING                  , 0                    , ROUTES_SET      , gate_finalising_routes_enter     , gate_raw_or_end)                      \
    X(FINALISING_PAUSE       , "G24" , F_FINALISING | F_SCALER       , 0                    , SCALER_PAUSE    , gate_just_ask                    , gate_raw_or_next)                     \
    X(FINALISING_SCALE_ZERO  , "G24" , F_FINALISING                  , 0                    , SCALE_ZERO      , gate_just_ask                    , gate_raw_or_next)                     \
    X(FINALISING_SAVE        , "G24" , F_FINALISING                  , 0                    , SAVE            , gate_succeeded_save_enter        , gate_finalising_save_answered)        \
    X(THRESHOLD              , "G25" , 0                             , 0                    , NONE            , gate_threshold_enter             , gate_never_answered)                  \
    X(PROMOTE_NOW            , "G26" , F_COMMAND                     , 0                    , NONE            , gate_promote_now_enter           , gate_never_answered)                  \
    X(ANALYSIS_BEGIN         , "G26" , 0                             , 0                    , NONE            , gate_analysis_begin_enter        , gate_never_answered)                  \
    X(PRE_ROLLOUT            , "G27" , 0                             , 0                    , HOOK            , gate_pre_rollout_enter           , gate_pre_rollout_answered)            \
    X(ROLLOUT_HOOKS          , "G27" , F_ROLLOUT_HOOKS               , 0                    , HOOK            , gate_rollout_hooks_enter         , gate_rollout_hooks_answered)          \
    X(METRICS_OPEN           , "G27" , F_OWN_SERVER                  , 0                    , METRICS_OPEN    , gate_just_ask                    , gate_metrics_open_answered)           \
    X(BUILTIN_METRICS        , "G27" , 0                             , 0                    , METRIC          , gate_builtin_metrics_enter       , gate_builtin_metrics_answered)        \
    X(TEMPLATE_METRICS       , "G27" , F_SECOND_PASS                 , 0                    , METRIC          , gate_template_metrics_enter      , gate_template_metrics_answered)       \
    X(DISPATCH               , "G29" , 0                             , 0                    , NONE            , gate_dispatch_enter              , gate_never_answered)                  \
    /* strategies */ \
    X(CONFIRM_TRAFFIC        , "§4.6", F_JUMP | F_TRAFFIC_HOOKS      , 0                    , HOOK            , gate_confirm_traffic_enter       , gate_confirm_traffic_answered)        \
    X(CANARY_STEP            , "§4.1", 0                             , 0                    , ROUTES_SET      , gate_canary_step_enter           , gate_canary_step_answered)            \
    X(CANARY_SAVE            , "§4.1", 0                             , 0                    , SAVE            , gate_canary_save_enter           , gate_canary_save_answered)            \
    X(AB_ROUTES              , "§4.4", F_JUMP                        , 0                    , ROUTES_SET      , gate_ab_routes_enter             , gate_ab_routes_answered)              \
    X(BLUE_GREEN_MIRROR      , "§4.5", F_JUMP                        , 0                    , ROUTES_SET      , gate_blue_green_mirror_enter     , gate_blue_green_mirror_answered)      \
    X(ITERATION_SAVE         , "§4.5", 0                             , 0                    , SAVE            , gate_iteration_save_enter        , gate_iteration_save_answered)         \
    X(CONFIRM_PROMOTION      , "§4.6", F_JUMP                        , 0                    , HOOK            , gate_confirm_promotion_enter     , gate_confirm_promotion_answered)      \
    X(PROMOTION_REFUSED_SAVE , "§4.6", F_JUMP                        , 0                    , SAVE            , gate_promotion_refused_save_enter, gate_promotion_refused_save_answered) \
    X(BLUE_GREEN_SWITCH      , "§4.5", F_JUMP                        , 0                    , ROUTES_SET      , gate_blue_green_switch_enter     , gate_blue_green_switch_answered)      \
    X(BLUE_GREEN_SAVE        , "§4.5", 0                             , 0                    , SAVE            , gate_blue_green_save_enter       , gate_raw_or_end)                      \
    X(PROMOTE                , "§4.1", F_JUMP                        , 0                    , PROMOTE         , gate_promote_enter               , gate_raw_or_next)                     \
    X(PROMOTE_SAVE           , "§4.1", 0                             , 0                    , SAVE            , gate_promote_save_enter          , gate_raw_or_end)                      \
    X(CHECK_FAILED_SAVE      , "G27" , F_JUMP                        , 0                    , SAVE            , gate_check_failed_save_enter     , gate_raw_or_end)                      \
    /* rollback */ \
    X(ROLLBACK               , "§5.1", F_JUMP                        , 0                    , NONE            , gate_rollback_enter              , gate_never_answered)                  \
    X(ROLLBACK_PRIMARY       , "§5.1", 0                             , 0                    , PRIMARY_READY   , gate_just_ask                    , gate_rollback_primary_answered)       \
    X(ROLLBACK_CANARY        , "§5.1", 0                             , 0                    , CANARY_READY    , gate_just_ask                    , gate_rollback_canary_answered)        \
    X(ROLLBACK_ROUTES        , "§5.1", F_JUMP                        , 0                    , ROUTES_SET      , gate_rollback_routes_enter       , gate_rollback_routes_answered)        \
    X(ROLLBACK_PAUSE         , "§5.1", F_SCALER                      , 0                    , SCALER_PAUSE    , gate_just_ask                    , gate_raw_or_next)                     \
    X(ROLLBACK_SCALE_ZERO    , "§5.1", 0                             , 0                    , SCALE_ZERO      , gate_just_ask                    , gate_raw_or_next)                     \
    X(ROLLBACK_SAVE          , "§5.1", 0                             , 0                    , SAVE            , gate_rollback_save_enter         , gate_failed_save_answered)            \
    /* failed promotion */ \
    X(PROMOTION_FAILED       , "§5.2", F_JUMP                        , 0                    , NONE            , gate_promotion_failed_enter      , gate_never_answered)                  \
    X(PROMOTION_FAILED_RESUME, "§5.2", F_SCALER                      , 0                    , SCALER_RESUME   , gate_just_ask                    , gate_raw_or_next)                     \
    X(PROMOTION_FAILED_SCALE , "§5.2", 0                             , 0                    , SCALE_UP        , gate_just_ask                    , gate_raw_or_next)                     \
    X(PROMOTION_FAILED_READY , "§5.2", 0                             , 0                    , CANARY_READY    , gate_just_ask                    , gate_promotion_failed_ready_answered) \
    X(PROMOTION_FAILED_ROUTES, "§5.2", 0                             , 0                    , ROUTES_SET      , gate_promotion_failed_routes_enter, gate_promotion_failed_routes_answered)\
    X(PROMOTION_FAILED_SAVE  , "§5.2", 0                             , 0                    , SAVE            , gate_promotion_failed_save_enter , gate_failed_save_answered)            \
    /* the target went back to the promoted revision */ \
    X(CANCEL_ROUTES          , "Q07" , F_JUMP                        , 0                    , ROUTES_SET      , gate_cancel_routes_enter         , gate_cancel_routes_answered)          \
    X(CANCEL_PAUSE           , "Q07" , F_SCALER                      , 0                    , SCALER_PAUSE    , gate_just_ask                    , gate_raw_or_next)                     \
    X(CANCEL_SCALE_ZERO      , "Q07" , 0                             , 0                    , SCALE_ZERO      , gate_just_ask                    , gate_raw_or_next)                     \
    X(CANCEL_SAVE            , "Q07" , 0                             , 0                    , SAVE            , gate_cancel_save_enter           , gate_cancel_save_answered)            \
    /* the canary has lost its pods under way */ \
    X(RESCALE_RESUME         , "Q26" , F_JUMP | F_SCALER             , 0                    , SCALER_RESUME   , gate_just_ask                    , gate_raw_or_next)                     \
    X(RESCALE                , "Q26" , 0                             , 0                    , SCALE_UP        , gate_just_ask                    , gate_raw_or_end)                      \
    X(POST_ROLLOUT           , "§5"  , F_JUMP                        , 0                    , HOOK            , gate_post_rollout_enter          , gate_post_rollout_answered)           \
    /* the finalizer of a deleted Canary: a program of its own */ \
    X(FINALIZE_LOAD          , "§9"  , F_JUMP                        , 0                    , LOAD            , gate_just_ask                    , gate_finalize_load_answered)          \
    X(FINALIZE_SAVE          , "§9"  , 0                             , 0                    , SAVE            , gate_finalize_save_enter         , gate_finalize_save_answered)          \
    X(FINALIZE_RESUME        , "§9"  , F_SCALER                      , 0                    , SCALER_RESUME   , gate_just_ask                    , gate_log_or_next)                     \
    X(FINALIZE_TARGET        , "§9"  , 0                             , 0                    , REVERT_TARGET   , gate_just_ask                    , gate_log_or_next)                     \
    X(FINALIZE_READY         , "§9"  , 0                             , 0                    , CANARY_READY    , gate_finalize_ready_enter        , gate_finalize_ready_answered)         \
    X(FINALIZE_ROUTER        , "§9"  , 0                             , 0                    , REVERT_ROUTER   , gate_just_ask                    , gate_log_or_next)                     \
    X(FINALIZE_REMOVE        , "§9"  , 0                             , 0                    , FINALIZER_REMOVE, gate_finalize_remove_enter       , gate_finalize_remove_answered)
/* clang-format on */

enum gate {
#define GATE_ROW(row, gate, need, never, asks, enter, answered) G_##row,
    GATES(GATE_ROW)
#undef GATE_ROW
        GATE_COUNT
};

/* What a row does next: another row (>= 0), or one of these. */
typedef int flow_t;
#define NEXT (-1)
#define AGAIN (-2)
#define END (-3)
#define ASKED (-4)

struct tick;
#define GATE_FUNCTIONS(row, gate, need, never, asks, enter, answered)                              \
    static flow_t enter(struct tick *t);                                                           \
    static flow_t answered(struct tick *t, const struct answer *a);
GATES(GATE_FUNCTIONS)
#undef GATE_FUNCTIONS

#endif
