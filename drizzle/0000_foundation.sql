CREATE TABLE "media_files" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "media_files_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"upload_id" uuid NOT NULL,
	"key" text NOT NULL,
	"storage_key" text NOT NULL,
	"user_id" integer,
	"type" text NOT NULL,
	"mime_type" text NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"size" bigint NOT NULL,
	"width" integer,
	"height" integer,
	"mode" text,
	"digest" text,
	"created_at" timestamp(6) with time zone NOT NULL,
	"updated_at" timestamp(6) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "outbox_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"event" text NOT NULL,
	"subject" text NOT NULL,
	"payload" jsonb NOT NULL,
	"created_at" timestamp(6) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "tokens_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"user_id" integer NOT NULL,
	"hash" text NOT NULL,
	"name" text DEFAULT '' NOT NULL,
	"created_at" timestamp(6) with time zone NOT NULL,
	"expires_at" timestamp(6) with time zone,
	"revoked_at" timestamp(6) with time zone,
	CONSTRAINT "tokens_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "upload_parts" (
	"whole_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"part_id" uuid NOT NULL,
	CONSTRAINT "upload_parts_whole_id_position_pk" PRIMARY KEY("whole_id","position")
);
--> statement-breakpoint
CREATE TABLE "upload_sessions" (
	"token" text PRIMARY KEY NOT NULL,
	"user_id" integer,
	"status" text NOT NULL,
	"file_count" integer DEFAULT 0 NOT NULL,
	"total_size" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp(6) with time zone NOT NULL,
	"updated_at" timestamp(6) with time zone NOT NULL,
	"expires_at" timestamp(6) with time zone NOT NULL,
	CONSTRAINT "upload_sessions_counters" CHECK ("upload_sessions"."file_count" >= 0 and "upload_sessions"."total_size" >= 0)
);
--> statement-breakpoint
CREATE TABLE "uploads" (
	"id" uuid PRIMARY KEY NOT NULL,
	"owner_id" integer,
	"door" text NOT NULL,
	"state" text NOT NULL,
	"size" bigint,
	"offset" bigint DEFAULT 0 NOT NULL,
	"cut_to" bigint,
	"reserved" bigint DEFAULT 0 NOT NULL,
	"storage_key" text NOT NULL,
	"filename" text DEFAULT '' NOT NULL,
	"title" text,
	"declared_type" text,
	"description" text DEFAULT '' NOT NULL,
	"metadata" text,
	"purpose" text DEFAULT 'file' NOT NULL,
	"auto_finish" boolean DEFAULT true NOT NULL,
	"fixed_expiry" boolean DEFAULT false NOT NULL,
	"final_key" text,
	"expected_digest" text,
	"digest_algorithms" text,
	"digest_state" jsonb,
	"recipe" text,
	"session_token" text,
	"inspection" jsonb,
	"inspect_tries" integer DEFAULT 0 NOT NULL,
	"reject_reason" text,
	"created_at" timestamp(6) with time zone NOT NULL,
	"updated_at" timestamp(6) with time zone NOT NULL,
	"expires_at" timestamp(6) with time zone,
	"bytes_gone" boolean DEFAULT false NOT NULL,
	CONSTRAINT "uploads_storage_key_unique" UNIQUE("storage_key"),
	CONSTRAINT "uploads_final_key_unique" UNIQUE("final_key")
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "users_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"username" text NOT NULL,
	"first_name" text DEFAULT '' NOT NULL,
	"last_name" text DEFAULT '' NOT NULL,
	"role" text NOT NULL,
	"is_active" boolean DEFAULT true NOT NULL,
	"last_login" timestamp(6) with time zone,
	"created_at" timestamp(6) with time zone NOT NULL,
	"used_bytes" bigint DEFAULT 0 NOT NULL,
	"open_uploads" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "users_username_unique" UNIQUE("username"),
	CONSTRAINT "users_counters" CHECK ("users"."used_bytes" >= 0 and "users"."open_uploads" >= 0)
);
--> statement-breakpoint
ALTER TABLE "media_files" ADD CONSTRAINT "media_files_upload_id_uploads_id_fk" FOREIGN KEY ("upload_id") REFERENCES "public"."uploads"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "media_files" ADD CONSTRAINT "media_files_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "upload_parts" ADD CONSTRAINT "upload_parts_whole_id_uploads_id_fk" FOREIGN KEY ("whole_id") REFERENCES "public"."uploads"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "upload_parts" ADD CONSTRAINT "upload_parts_part_id_uploads_id_fk" FOREIGN KEY ("part_id") REFERENCES "public"."uploads"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "upload_sessions" ADD CONSTRAINT "upload_sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_owner_id_users_id_fk" FOREIGN KEY ("owner_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_session_token_upload_sessions_token_fk" FOREIGN KEY ("session_token") REFERENCES "public"."upload_sessions"("token") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "media_files_upload" ON "media_files" USING btree ("upload_id");--> statement-breakpoint
CREATE UNIQUE INDEX "media_files_key" ON "media_files" USING btree ("key");--> statement-breakpoint
CREATE INDEX "media_files_created" ON "media_files" USING btree ("created_at" DESC NULLS LAST,"id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "media_files_user" ON "media_files" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "tokens_user" ON "tokens" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "upload_parts_part" ON "upload_parts" USING btree ("part_id");--> statement-breakpoint
CREATE INDEX "upload_sessions_user" ON "upload_sessions" USING btree ("user_id","created_at" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "upload_sessions_open" ON "upload_sessions" USING btree ("expires_at") WHERE "upload_sessions"."status" in ('created', 'uploading');--> statement-breakpoint
CREATE INDEX "uploads_open" ON "uploads" USING btree ("expires_at") WHERE "uploads"."state" in ('creating', 'receiving', 'held');--> statement-breakpoint
CREATE INDEX "uploads_owner" ON "uploads" USING btree ("owner_id","created_at" DESC NULLS LAST);--> statement-breakpoint
CREATE UNIQUE INDEX "uploads_session_name" ON "uploads" USING btree ("session_token","filename") WHERE "uploads"."state" in ('creating', 'receiving', 'complete', 'held', 'promoted');--> statement-breakpoint
CREATE INDEX "uploads_complete" ON "uploads" USING btree ("updated_at") WHERE "uploads"."state" = 'complete';--> statement-breakpoint
CREATE INDEX "uploads_ended" ON "uploads" USING btree ("updated_at") WHERE "uploads"."state" in ('rejected', 'expired', 'terminated');--> statement-breakpoint
CREATE INDEX "uploads_to_unlink" ON "uploads" USING btree ("updated_at") WHERE "uploads"."state" in ('rejected', 'expired', 'terminated') and not "uploads"."bytes_gone";