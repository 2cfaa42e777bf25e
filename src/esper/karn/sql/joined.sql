-- Views that join events; They read the views that the contract generates, of events and of families of events.
-- arg_max(value, "seq") is the newest value that is not NULL.

CREATE VIEW "runs" AS
WITH told AS (
    -- Start, epochs and end are those of the lowest rank.
    SELECT * FROM "_run" QUALIFY "rank" = min("rank") OVER (PARTITION BY "run")
), history AS (
    SELECT
        "run",
        any_value("task" ORDER BY "seq") AS "task",
        any_value("seed" ORDER BY "seq") AS "seed",
        any_value("device" ORDER BY "seq") AS "device",
        arg_max("epochs", "seq") AS "epochs",
        coalesce(
            arg_max("epochs_completed", "seq") FILTER ("event" = 'RUN_FINISHED'),
            max("epoch") FILTER ("event" IN ('EPOCH_COMPLETED', 'LOOP_EPOCH_COMPLETED')),
            0
        ) AS "epochs_completed",
        arg_max("outcome", "seq") FILTER ("event" = 'RUN_FINISHED') AS "outcome",
        arg_max("val_loss", "seq") AS "val_loss",
        arg_max("val_accuracy", "seq") AS "val_accuracy",
        max("val_accuracy") FILTER ("event" IN ('EPOCH_COMPLETED', 'LOOP_EPOCH_COMPLETED')) AS "best_val_accuracy",
        arg_max("baseline_accuracy", "seq") AS "baseline_accuracy",
        arg_max("test_accuracy", "seq") AS "test_accuracy",
        arg_max("baseline_test_accuracy", "seq") AS "baseline_test_accuracy",
        any_value("num_host_params" ORDER BY "seq") AS "num_host_params",
        arg_max("num_params", "seq") AS "num_params",
        arg_max("num_updates", "seq") AS "num_updates",
        arg_max("num_flops", "seq") AS "num_flops",
        make_timestamp(min("t_wall_ns") // 1000) AS "started_at",
        make_timestamp(max("t_wall_ns") // 1000) AS "last_event_at",
        arg_max("duration_s", "seq") FILTER ("event" = 'RUN_FINISHED') AS "duration_s",
        count(*) FILTER ("event" = 'RUN_RESUMED') AS "num_resumptions",
        arg_max("error_type", "seq") AS "error_type",
        any_value("esper_version" ORDER BY "seq") AS "esper_version",
        any_value("torch_version" ORDER BY "seq") AS "torch_version",
        any_value("provenance" ORDER BY "seq") AS "provenance"
    FROM told GROUP BY "run"
), seed_counts AS (
    SELECT
        "run",
        count(*) FILTER ("event" = 'SEED_GERMINATED') AS "num_germinated",
        count(*) FILTER ("event" = 'SEED_FOSSILIZED') AS "num_fossilized",
        count(*) FILTER ("event" = 'SEED_PRUNED') AS "num_pruned"
    FROM "_lifecycle" GROUP BY "run"
), governor_counts AS (
    SELECT
        "run",
        count(*) FILTER ("event" = 'GOVERNOR_PANIC') AS "num_panics",
        count(*) FILTER ("event" = 'GOVERNOR_ROLLBACK') AS "num_rollbacks",
        count(*) FILTER ("event" = 'GOVERNOR_STEP_SKIPPED') AS "num_skipped_steps"
    FROM "_governor" GROUP BY "run"
)
SELECT
    "run", "folder", "tags", history.* EXCLUDE ("run"),
    coalesce("num_germinated", 0) AS "num_germinated",
    coalesce("num_fossilized", 0) AS "num_fossilized",
    coalesce("num_pruned", 0) AS "num_pruned",
    coalesce("num_panics", 0) AS "num_panics",
    coalesce("num_rollbacks", 0) AS "num_rollbacks",
    coalesce("num_skipped_steps", 0) AS "num_skipped_steps"
FROM "_folders"
LEFT JOIN history USING ("run")
LEFT JOIN seed_counts USING ("run")
LEFT JOIN governor_counts USING ("run");

COMMENT ON VIEW "runs" IS 'A row for each run: its start, its end or newest state, and what happened in it, counted.';
COMMENT ON COLUMN "runs"."folder" IS 'Path of the run''s folder.';
COMMENT ON COLUMN "runs"."tags" IS 'Names of the tags of the run.';
COMMENT ON COLUMN "runs"."best_val_accuracy" IS 'Highest validation accuracy of any epoch; null if not measured. [percent]';
COMMENT ON COLUMN "runs"."started_at" IS 'Time of the first event of the training loop, in UTC.';
COMMENT ON COLUMN "runs"."last_event_at" IS 'Time of the newest event of the training loop, in UTC.';
COMMENT ON COLUMN "runs"."num_resumptions" IS 'Times that a new process resumed the run.';
COMMENT ON COLUMN "runs"."num_germinated" IS 'Seeds that were planted.';
COMMENT ON COLUMN "runs"."num_fossilized" IS 'Seeds that became a part of the network.';
COMMENT ON COLUMN "runs"."num_pruned" IS 'Seeds that were removed.';
COMMENT ON COLUMN "runs"."num_panics" IS 'Losses that the governor found anomalous.';
COMMENT ON COLUMN "runs"."num_rollbacks" IS 'Times that the governor restored the weights.';
COMMENT ON COLUMN "runs"."num_skipped_steps" IS 'Optimizer steps that the governor skipped.';

CREATE VIEW "tags" AS
SELECT "run", "tag", "note" FROM "_tags";

COMMENT ON VIEW "tags" IS 'A row for each tag of a run.';
COMMENT ON COLUMN "tags"."run" IS 'Id of the run, the name of its folder.';
COMMENT ON COLUMN "tags"."tag" IS 'Name of the tag.';
COMMENT ON COLUMN "tags"."note" IS 'Note that the user has written to it; null if there is no note.';

CREATE VIEW "seeds" AS
WITH numbered AS (
    SELECT
        *,
        -- Without FILTER, which makes a window sixty times slower.
        count(CASE WHEN "event" = 'SEED_GERMINATED' THEN 1 END) OVER (
            PARTITION BY "run", "rank", "env_id", "slot_id" ORDER BY "seq"
        ) AS "seed_number"
    FROM "_lifecycle"
)
SELECT
    "run", "rank", "env_id", "slot_id", "seed_number",
    arg_max("blueprint_id", "seq") AS "blueprint_id",
    any_value("params" ORDER BY "seq") AS "params",
    arg_max("to_stage", "seq") AS "stage",
    arg_max(
        CASE "event" WHEN 'SEED_FOSSILIZED' THEN 'FOSSILIZED' WHEN 'SEED_PRUNED' THEN 'PRUNED' END, "seq"
    ) AS "outcome",
    min("epoch") FILTER ("event" = 'SEED_GERMINATED') AS "germinated_epoch",
    min("epoch") FILTER ("to_stage" = 'TRAINING' AND "event" = 'SEED_STAGE_CHANGED') AS "training_epoch",
    min("epoch") FILTER ("to_stage" = 'BLENDING' AND "event" = 'SEED_STAGE_CHANGED') AS "blending_epoch",
    min("epoch") FILTER ("to_stage" = 'HOLDING' AND "event" = 'SEED_STAGE_CHANGED') AS "holding_epoch",
    max("epoch") FILTER ("event" IN ('SEED_FOSSILIZED', 'SEED_PRUNED')) AS "ended_epoch",
    arg_max("epochs_total", "seq") AS "epochs_total",
    arg_max("alpha", "seq") AS "alpha",
    arg_max("grad_ratio", "seq") AS "grad_ratio",
    bool_or("has_vanishing") AS "has_vanishing",
    bool_or("has_exploding") AS "has_exploding",
    count(*) FILTER ("event" = 'SEED_GATE_EVALUATED' AND "passed") AS "num_gates_passed",
    count(*) FILTER ("event" = 'SEED_GATE_EVALUATED' AND NOT "passed") AS "num_gates_failed",
    arg_max("message", "seq") FILTER ("event" = 'SEED_GATE_EVALUATED') AS "last_gate_message",
    arg_max("improvement", "seq") AS "improvement",
    arg_max("counterfactual", "seq") AS "counterfactual",
    arg_max("evidence", "seq") AS "evidence",
    arg_max("reason", "seq") AS "reason",
    arg_max("initiator", "seq") AS "initiator",
    arg_max("auto_pruned", "seq") AS "auto_pruned"
FROM numbered GROUP BY "run", "rank", "env_id", "slot_id", "seed_number";

COMMENT ON VIEW "seeds" IS 'A row for each seed, from germination to its end.';
COMMENT ON COLUMN "seeds"."seed_number" IS 'Number of the seed in its slot, from 1; 0 if its germination is not in the log.';
COMMENT ON COLUMN "seeds"."stage" IS 'The newest stage that the slot entered; null before the first change.';
COMMENT ON COLUMN "seeds"."outcome" IS 'FOSSILIZED or PRUNED; null while the seed lives.';
COMMENT ON COLUMN "seeds"."germinated_epoch" IS 'Epoch in which the seed was planted. [epochs]';
COMMENT ON COLUMN "seeds"."training_epoch" IS 'Epoch in which the seed entered the stage TRAINING. [epochs]';
COMMENT ON COLUMN "seeds"."blending_epoch" IS 'Epoch in which the seed entered the stage BLENDING. [epochs]';
COMMENT ON COLUMN "seeds"."holding_epoch" IS 'Epoch in which the seed entered the stage HOLDING. [epochs]';
COMMENT ON COLUMN "seeds"."ended_epoch" IS 'Epoch in which the seed was fossilised or pruned. [epochs]';
COMMENT ON COLUMN "seeds"."has_vanishing" IS 'Whether the seed''s gradient has ever been close to zero.';
COMMENT ON COLUMN "seeds"."has_exploding" IS 'Whether the seed''s gradient has ever been huge, NaN or infinite.';
COMMENT ON COLUMN "seeds"."num_gates_passed" IS 'Gate evaluations in which the seed met every condition.';
COMMENT ON COLUMN "seeds"."num_gates_failed" IS 'Gate evaluations in which it did not.';
COMMENT ON COLUMN "seeds"."last_gate_message" IS 'The conditions of the newest gate with their measured values.';

CREATE VIEW "epochs" AS
WITH completed AS (
    SELECT * FROM "_run" WHERE "event" IN ('EPOCH_COMPLETED', 'LOOP_EPOCH_COMPLETED')
), seed_counts AS (
    SELECT
        "run", "rank", "env_id", "epoch",
        count(*) FILTER ("event" = 'SEED_GERMINATED') AS "num_germinated",
        count(*) FILTER ("event" = 'SEED_FOSSILIZED') AS "num_fossilized",
        count(*) FILTER ("event" = 'SEED_PRUNED') AS "num_pruned",
        count(*) FILTER ("event" = 'SEED_GATE_EVALUATED' AND NOT "passed") AS "num_gates_failed"
    FROM "_lifecycle" GROUP BY "run", "rank", "env_id", "epoch"
), governor_counts AS (
    SELECT
        "run", "rank", "env_id", "epoch",
        count(*) FILTER ("event" = 'GOVERNOR_SNAPSHOT') AS "num_snapshots",
        count(*) FILTER ("event" = 'GOVERNOR_PANIC') AS "num_panics",
        count(*) FILTER ("event" = 'GOVERNOR_CLEARED') AS "num_cleared",
        count(*) FILTER ("event" = 'GOVERNOR_ROLLBACK') AS "num_rollbacks",
        count(*) FILTER ("event" = 'GOVERNOR_STEP_SKIPPED') AS "num_skipped_steps"
    FROM "_governor" GROUP BY "run", "rank", "env_id", "epoch"
)
SELECT
    "run", "rank", "env_id", "epoch", "t_wall_ns",
    "train_loss", "train_accuracy", "val_loss", "val_accuracy", "metrics", "learning_rate", "host_grad_norm",
    "num_params", "num_updates", "num_flops", "severity", "duration_s",
    len("seeds") AS "num_seeds",
    "seeds",
    coalesce("num_germinated", 0) AS "num_germinated",
    coalesce("num_fossilized", 0) AS "num_fossilized",
    coalesce("num_pruned", 0) AS "num_pruned",
    coalesce("num_gates_failed", 0) AS "num_gates_failed",
    coalesce("num_snapshots", 0) AS "num_snapshots",
    coalesce("num_panics", 0) AS "num_panics",
    coalesce("num_cleared", 0) AS "num_cleared",
    coalesce("num_rollbacks", 0) AS "num_rollbacks",
    coalesce("num_skipped_steps", 0) AS "num_skipped_steps"
FROM completed
LEFT JOIN seed_counts USING ("run", "rank", "env_id", "epoch")
LEFT JOIN governor_counts USING ("run", "rank", "env_id", "epoch");

COMMENT ON VIEW "epochs" IS 'A row for each epoch that was completed: losses and metrics, slots, and events of seeds and governor, counted.';
COMMENT ON COLUMN "epochs"."num_seeds" IS 'Slots that are not empty.';
COMMENT ON COLUMN "epochs"."num_germinated" IS 'Seeds that were planted in the epoch.';
COMMENT ON COLUMN "epochs"."num_fossilized" IS 'Seeds that became a part of the network in the epoch.';
COMMENT ON COLUMN "epochs"."num_pruned" IS 'Seeds that were removed in the epoch.';
COMMENT ON COLUMN "epochs"."num_gates_failed" IS 'Gate evaluations in the epoch that a seed did not pass.';
COMMENT ON COLUMN "epochs"."num_snapshots" IS 'Snapshots that the governor took in the epoch.';
COMMENT ON COLUMN "epochs"."num_panics" IS 'Losses in the epoch that the governor found anomalous.';
COMMENT ON COLUMN "epochs"."num_cleared" IS 'Suspicions in the epoch that were unfounded.';
COMMENT ON COLUMN "epochs"."num_rollbacks" IS 'Times that the governor restored the weights in the epoch.';
COMMENT ON COLUMN "epochs"."num_skipped_steps" IS 'Optimizer steps that the governor skipped in the epoch.';

CREATE VIEW "governor" AS
SELECT
    * EXCLUDE ("t_mono_ns", "boot", "v"),
    lead(CASE WHEN "event" NOT IN ('GOVERNOR_PANIC', 'GOVERNOR_SNAPSHOT') THEN "event" END IGNORE NULLS) OVER (
        PARTITION BY "run", "rank", "env_id" ORDER BY "seq"
    ) AS "followed_by"
FROM "_governor";

COMMENT ON VIEW "governor" IS 'A row for each event of the governor: checks that raised an alarm, and what it did about them.';
COMMENT ON COLUMN "governor"."followed_by" IS 'The next event of the governor that is neither a panic nor a snapshot, such as GOVERNOR_ROLLBACK or GOVERNOR_CLEARED; null if there is none.';
