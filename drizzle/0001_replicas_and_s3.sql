CREATE TABLE "s3_objects" (
	"key" text PRIMARY KEY NOT NULL,
	"target" text NOT NULL,
	"multipart_id" text,
	"multiparts_begun" integer DEFAULT 0 NOT NULL,
	"part_size" bigint NOT NULL,
	"next_number" integer DEFAULT 1 NOT NULL,
	"writer" uuid,
	"created_at" timestamp(6) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "s3_pieces" (
	"key" text NOT NULL,
	"number" integer NOT NULL,
	"kind" text NOT NULL,
	"start" bigint NOT NULL,
	"size" bigint NOT NULL,
	"etag" text,
	"checksum" text,
	CONSTRAINT "s3_pieces_key_number_pk" PRIMARY KEY("key","number")
);
--> statement-breakpoint
CREATE TABLE "servers" (
	"id" uuid PRIMARY KEY NOT NULL,
	"host" text,
	"pid" integer,
	"pid_start" text,
	"leased_until" timestamp(6) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "uploads" ADD COLUMN "lock_owner" uuid;--> statement-breakpoint
ALTER TABLE "uploads" ADD COLUMN "lock_epoch" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "s3_pieces" ADD CONSTRAINT "s3_pieces_key_s3_objects_key_fk" FOREIGN KEY ("key") REFERENCES "public"."s3_objects"("key") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "uploads_locked" ON "uploads" USING btree ("lock_owner") WHERE "uploads"."lock_owner" is not null;