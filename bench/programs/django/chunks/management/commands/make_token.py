from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from rest_framework.authtoken.models import Token


class Command(BaseCommand):
    help = "Makes a user and prints a token."

    def handle(self, *args, **options):
        user = get_user_model().objects.create_user("bench")
        self.stdout.write(Token.objects.create(user=user).key)
