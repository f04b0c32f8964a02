from django.conf import settings
from django.db import models


class MediaFile(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    type = models.CharField(max_length=20, db_index=True)
    f = models.FileField(max_length=255)
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    size = models.BigIntegerField()
    width = models.IntegerField(null=True)
    height = models.IntegerField(null=True)
    mode = models.CharField(max_length=20, null=True)
    created_at = models.DateTimeField(db_index=True)
    updated_at = models.DateTimeField()
