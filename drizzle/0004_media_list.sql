CREATE TABLE "media_changes" (
	"sign" smallint NOT NULL,
	"file_id" bigint NOT NULL,
	"type" text NOT NULL,
	"user_id" integer,
	"size" bigint NOT NULL,
	"width" integer,
	"height" integer,
	"mode" text,
	"created_at" timestamp(6) with time zone NOT NULL,
	"updated_at" timestamp(6) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "media_counts" (
	"dimension" text NOT NULL,
	"label" text NOT NULL,
	"bucket" bigint NOT NULL,
	"files" bigint NOT NULL,
	"newest" timestamp(6) with time zone,
	CONSTRAINT "media_counts_dimension_label_bucket_pk" PRIMARY KEY("dimension","label","bucket")
);
--> statement-breakpoint
CREATE FUNCTION "media_files_note_change"() RETURNS trigger LANGUAGE plpgsql
  -- Whoever writes: a restore of the data alone runs with an empty search_path.
  SET search_path FROM CURRENT AS $$
begin
  if tg_op = 'TRUNCATE' then
    delete from media_changes;
    delete from media_counts;
    return null;
  end if;
  if tg_op <> 'INSERT' then
    insert into media_changes values (-1, old.id, old.type, old.user_id, old.size, old.width,
      old.height, old.mode, old.created_at, old.updated_at);
  end if;
  if tg_op <> 'DELETE' then
    insert into media_changes values (1, new.id, new.type, new.user_id, new.size, new.width,
      new.height, new.mode, new.created_at, new.updated_at);
  end if;
  return null;
end $$;
--> statement-breakpoint
-- From here to the end of the migration writers wait, so that nothing is missed between the trigger
-- and the rows that are noted below.
CREATE TRIGGER "media_files_changed" AFTER INSERT OR UPDATE OR DELETE ON "media_files"
  FOR EACH ROW EXECUTE FUNCTION "media_files_note_change"();
--> statement-breakpoint
CREATE TRIGGER "media_files_truncated" AFTER TRUNCATE ON "media_files"
  FOR EACH STATEMENT EXECUTE FUNCTION "media_files_note_change"();
--> statement-breakpoint
INSERT INTO "media_changes" SELECT 1, id, type, user_id, size, width, height, mode, created_at,
  updated_at FROM "media_files";
--> statement-breakpoint
-- Whoever has a large table may have made these before, CONCURRENTLY: see docs/operations.md.
CREATE INDEX IF NOT EXISTS "media_files_updated" ON "media_files" USING btree ("updated_at" DESC NULLS LAST,"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "media_files_size" ON "media_files" USING btree ("size" DESC NULLS LAST,"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "media_files_name" ON "media_files" USING btree (left(lower("name"), 100) collate "C" desc nulls last,"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "media_files_type" ON "media_files" USING btree ("type","id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "media_files_mode" ON "media_files" USING btree (lower("mode"),"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "media_files_width" ON "media_files" USING btree ("width","id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "media_files_height" ON "media_files" USING btree ("height","id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "media_files_owner" ON "media_files" USING btree ("user_id","id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "outbox_created" ON "outbox" USING brin ("created_at");--> statement-breakpoint
-- Without pg_trgm, or the right to add it, the list is the same and a search reads the whole table.
DO $$
begin
  create extension if not exists pg_trgm;
  create index if not exists media_files_search on media_files
    using gin (lower(name) gin_trgm_ops, (id::text) gin_trgm_ops);
exception when others then
  raise notice 'no index for searches: %', sqlerrm;
end $$;
