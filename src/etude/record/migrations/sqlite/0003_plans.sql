-- What a run was to follow: its schedules, horizon and base values, as RunPlan.to_dict() gives them.
ALTER TABLE run ADD COLUMN plan TEXT CHECK (plan IS NULL OR json_type(plan) = 'object');
