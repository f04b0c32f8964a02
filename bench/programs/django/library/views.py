"""A listing as the tutorials of Django REST framework and django-filter have it."""
from django.contrib.auth.models import User
from django_filters import rest_framework as filters
from rest_framework import generics, serializers
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.pagination import LimitOffsetPagination

from .models import MediaFile

USER_FIELDS = ["id", "username", "first_name", "last_name", "last_login"]


class UserSerializer(serializers.ModelSerializer):
    full_name = serializers.CharField(source="get_full_name")

    class Meta:
        model = User
        fields = ["id", "username", "full_name"]


class MediaFileSerializer(serializers.ModelSerializer):
    user = UserSerializer()

    class Meta:
        model = MediaFile
        fields = "__all__"


class TypeFilter(filters.BaseInFilter, filters.CharFilter):
    pass


class MediaFileFilter(filters.FilterSet):
    type = TypeFilter(field_name="type")
    user_id = filters.NumberFilter(field_name="user_id")
    size_min = filters.NumberFilter(field_name="size", lookup_expr="gte")
    size_max = filters.NumberFilter(field_name="size", lookup_expr="lte")
    width_min = filters.NumberFilter(field_name="width", lookup_expr="gte")
    width_max = filters.NumberFilter(field_name="width", lookup_expr="lte")
    height_min = filters.NumberFilter(field_name="height", lookup_expr="gte")
    height_max = filters.NumberFilter(field_name="height", lookup_expr="lte")
    id_min = filters.NumberFilter(field_name="id", lookup_expr="gte")
    id_max = filters.NumberFilter(field_name="id", lookup_expr="lte")
    created_date = filters.DateFilter(field_name="created_at", lookup_expr="date")
    updated_date = filters.DateFilter(field_name="updated_at", lookup_expr="date")
    created_from = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_to = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lte")
    updated_from = filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gte")
    updated_to = filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="lte")


class Paging(LimitOffsetPagination):
    default_limit = 10
    max_limit = 1000


class MediaFileList(generics.ListAPIView):
    queryset = MediaFile.objects.select_related("user")
    serializer_class = MediaFileSerializer
    pagination_class = Paging
    filter_backends = [filters.DjangoFilterBackend, SearchFilter, OrderingFilter]
    filterset_class = MediaFileFilter
    search_fields = ["id", "name"]
    ordering = ["-created_at"]
    ordering_fields = [
        "id", "type", "name", "size", "width", "height", "mode", "created_at", "updated_at",
        *(f"user__{field}" for field in USER_FIELDS),
    ]
